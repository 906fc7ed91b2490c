// Links the component s3, and runs without any server.
#include "mooring/s3.h"

int main() {
  mooring::EnableS3();
  return 0;
}
