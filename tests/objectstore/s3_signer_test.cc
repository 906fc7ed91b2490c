#include <string>

#include "absl/time/civil_time.h"
#include "src/objectstore/s3/signer.h"
#include "tests/testing/status_matchers.h"

namespace mooring::objectstore {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr char kEmptyHash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// The examples of AWS's page "Signature Calculations for the Authorization Header".
const Credentials kExample = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                              ""};

SignableRequest Example(std::string method, std::string path, const std::string& payload_hash) {
  SignableRequest request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.headers = {{"host", "examplebucket.s3.amazonaws.com"},
                     {"x-amz-content-sha256", payload_hash},
                     {"x-amz-date", "20130524T000000Z"}};
  return request;
}

TEST(SignerTest, ReadsOfAPartAreSigned) {
  SignableRequest request = Example("GET", "/test.txt", kEmptyHash);
  request.headers["range"] = "bytes=0-9";
  const std::string value = Authorization(request, kExample, "us-east-1");
  EXPECT_THAT(value, HasSubstr("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                               "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"));
  EXPECT_THAT(value, EndsWith("=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
}

TEST(SignerTest, WritesAreSigned) {
  const std::string path = "/" + UriEncode("test$file.text", true);
  SignableRequest request = Example("PUT", path, Sha256Hex("Welcome to Amazon S3."));
  request.headers["date"] = "Fri, 24 May 2013 00:00:00 GMT";
  request.headers["x-amz-storage-class"] = "REDUCED_REDUNDANCY";
  EXPECT_THAT(Authorization(request, kExample, "us-east-1"),
              EndsWith("=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

TEST(SignerTest, ParametersWithoutValueAreSigned) {
  SignableRequest request = Example("GET", "/", kEmptyHash);
  request.query["lifecycle"] = "";
  EXPECT_THAT(Authorization(request, kExample, "us-east-1"),
              EndsWith("=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
}

TEST(SignerTest, ListsAreSigned) {
  SignableRequest request = Example("GET", "/", kEmptyHash);
  request.query = {{"prefix", "J"}, {"max-keys", "2"}};
  EXPECT_THAT(Authorization(request, kExample, "us-east-1"),
              EndsWith("=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

TEST(SignerTest, EncodingIsThatOfTheStandard) {
  EXPECT_EQ(UriEncode("AZaz09-._~", true), "AZaz09-._~");
  EXPECT_EQ(UriEncode("a b/c+d", true), "a%20b/c%2Bd");
  EXPECT_EQ(UriEncode("a b/c", false), "a%20b%2Fc");
  EXPECT_EQ(UriEncode("\xc3\xa4", true), "%C3%A4");
  EXPECT_EQ(QueryString({{"b", "x/y"}, {"a", ""}}), "a=&b=x%2Fy");
}

TEST(SignerTest, DateIsUtc) {
  const absl::Time time =
      absl::FromCivil(absl::CivilSecond(2013, 5, 24, 1, 2, 3), absl::UTCTimeZone());
  EXPECT_EQ(AmzDate(time), "20130524T010203Z");
}

}  // namespace
}  // namespace mooring::objectstore
