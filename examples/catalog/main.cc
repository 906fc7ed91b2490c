// A stateful HTTP service whose state survives its pod. It listens first and opens its state then,
// so that probes can tell a long start from a dead process. SIGTERM closes the state in time.
#include <httplib.h>
#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/catalog/catalog_service.h"
#include "examples/catalog/maintenance.h"
#include "examples/catalog/options.h"
#include "mooring/store.h"
#include "mooring/termination.h"

#ifdef CATALOG_WITH_S3
#include "mooring/s3.h"
#endif

namespace catalog {
namespace {

constexpr int kHttpThreads = 64;  // A kept-alive connection occupies one.
constexpr size_t kMaxBodyBytes = size_t{64} << 20;

void Log(const std::string& line) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::fprintf(stderr, "catalog: %s\n", line.c_str());
}

// What the termination thread tells the main thread.
class Lifecycle {
 public:
  // An open that is cut short is a crash like any other, and a crash is safe: leave at once.
  void Terminate() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!open_) {
      Log("terminated before the store was open");
      std::_Exit(0);
    }
    terminated_ = true;
    changed_.notify_all();
  }
  void SetOpen() {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
  }
  void WaitForTermination() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return terminated_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  bool terminated_ = false;
};

void Configure(httplib::Server* server) {
  server->new_task_queue = [] { return new httplib::ThreadPool(kHttpThreads); };
  server->set_tcp_nodelay(true);
  server->set_keep_alive_max_count(size_t{1} << 40);
  server->set_keep_alive_timeout(2);
  server->set_payload_max_length(kMaxBodyBytes);
  // The default would let two services listen on one port and share its connections.
  server->set_socket_options([](int socket) {
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  });
}

absl::StatusOr<int> Bind(const ServiceOptions& options, httplib::Server* server) {
  int port = options.port;
  bool bound = true;
  if (port == 0) {
    port = server->bind_to_any_port(options.host);
    bound = port > 0;
  } else {
    bound = server->bind_to_port(options.host, port);
  }
  if (bound) return port;
  return absl::UnavailableError("cannot listen on " + options.host + ":" +
                                std::to_string(options.port) +
                                ": is another service there? Choose another --port");
}

absl::StatusOr<std::unique_ptr<mooring::Store>> OpenStore(
    const ServiceOptions& options, const std::shared_ptr<mooring::HealthMonitor>& health,
    CatalogService* service) {
  mooring::Options store_options = StoreOptions(options);
  store_options.health_monitor = health;
  store_options.progress = [service](const mooring::Progress& progress) {
    service->SetProgress(progress);
  };
  store_options.log = [](mooring::LogSeverity, std::string_view line) { Log(std::string(line)); };
  return mooring::Store::Open(store_options);
}

absl::Status WriteReadyFile(const std::string& path, int port) {
  if (path.empty()) return absl::OkStatus();
  const std::string partial = path + ".partial";
  std::ofstream out(partial);
  out << port << '\n';
  out.close();
  if (out && std::rename(partial.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return absl::UnavailableError("cannot write --ready-file " + path);
}

std::string Describe(const mooring::CloseReport& report) {
  std::string text = report.synced ? "synced, " : "not synced, ";
  text += report.released ? "released, " : "not released, ";
  if (report.archive.state != mooring::ArchiveStatus::State::kNone) {
    text += report.archived
                ? "archived, "
                : "not archived (" + std::to_string(report.archive.lag_bytes) + " bytes left), ";
  }
  return text + std::to_string(report.readers) + " readers, " + report.status.ToString();
}

// Serves until SIGTERM; then closes the store and says what that did.
absl::Status Serve(const ServiceOptions& options, int port, Lifecycle* lifecycle,
                   const std::shared_ptr<mooring::HealthMonitor>& health, CatalogService* service) {
  MOORING_ASSIGN_OR_RETURN(std::shared_ptr<mooring::Store> store,
                           OpenStore(options, health, service));
  MOORING_ASSIGN_OR_RETURN(mooring::Table items, store->OpenTable(CatalogService::kTable));
  service->Start(store, items);
  lifecycle->SetOpen();
  MOORING_RETURN_IF_ERROR(WriteReadyFile(options.ready_file, port));
  Log("serving store " + store->id() + " at version " + store->version().ToString() + " on port " +
      std::to_string(port));

  lifecycle->WaitForTermination();
  service->Stop();
  const mooring::CloseReport report = store->Close(options.close_timeout);
  Log("closed: " + Describe(report));
  // Where the device has stalled, waiting for it would outlast the pod's grace.
  if (!report.released) std::_Exit(1);
  return report.status;
}

absl::Status Maintain(const ServiceOptions& options) {
  if (options.rewind_to) {
    MOORING_ASSIGN_OR_RETURN(const uint64_t kept, Rewind(options));
    Log("rewound to sequence " + std::to_string(kept));
    return absl::OkStatus();
  }
  MOORING_ASSIGN_OR_RETURN(const mooring::RestoreCopyReport report, Copy(options));
  Log("copied version " + report.version.ToString() +
      (report.left_behind ? ", which was left behind" : "") + ", as store " + report.store_id);
  return absl::OkStatus();
}

absl::Status Run(const ServiceOptions& options) {
  if (options.rewind_to || options.copy_of) return Maintain(options);
  Lifecycle lifecycle;
  MOORING_ASSIGN_OR_RETURN(
      std::unique_ptr<mooring::TerminationHandler> handler,
      mooring::TerminationHandler::Install([&lifecycle] { lifecycle.Terminate(); }));

  auto health = std::make_shared<mooring::HealthMonitor>();
  CatalogService service(health);
  httplib::Server server;
  Configure(&server);
  service.Register(&server);
  MOORING_ASSIGN_OR_RETURN(const int port, Bind(options, &server));
  std::thread listener([&server] { server.listen_after_bind(); });
  Log("listening on port " + std::to_string(port) + ", opening " + options.volume);

  // Stopping a server that does not run yet would be without effect.
  while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));

  const absl::Status status = Serve(options, port, &lifecycle, health, &service);
  server.stop();
  listener.join();
  return status;
}

}  // namespace
}  // namespace catalog

int main(int argc, char** argv) {
#ifdef CATALOG_WITH_S3
  mooring::EnableS3();
#endif
  const absl::StatusOr<catalog::ServiceOptions> options = catalog::ParseCommandLine(argc, argv);
  if (!options.ok() || options->help) {
    if (!options.ok()) std::fprintf(stderr, "catalog: %s\n", options.status().ToString().c_str());
    std::fputs(catalog::kUsage, options.ok() ? stdout : stderr);
    return options.ok() ? 0 : 2;
  }
  const absl::Status status = catalog::Run(*options);
  if (!status.ok()) catalog::Log(status.ToString());
  return status.ok() ? 0 : 1;
}
