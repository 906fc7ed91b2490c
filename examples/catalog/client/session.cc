#include "examples/catalog/client/session.h"

#include <cstdio>
#include <thread>
#include <vector>

namespace catalog {

void Complain(const std::string& message) { std::fprintf(stderr, "client: %s\n", message.c_str()); }

ExitCode Misused(const absl::Status& status) {
  Complain(status.ToString());
  return kMisused;
}

std::string Describe(const Connection::Answer& answer) {
  if (answer.code == 0) return "no answer";
  return "answer " + std::to_string(answer.code) + ": " + answer.body;
}

void InThreads(const ClientOptions& options, const std::function<void(Connection*)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < options.threads; ++i) {
    threads.emplace_back([&options, &body] {
      Connection connection(options.host, options.port, options.timeout);
      body(&connection);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace catalog
