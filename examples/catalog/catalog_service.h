#pragma once

#include <httplib.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "mooring/store.h"

namespace catalog {

// The catalog over HTTP, its state in a Mooring table. It answers from the first moment: until
// Start() the probes say how far opening has come, and everything else is 503.
//
//   PUT /items/<key>      body: the value. 200 with {"version":"3.17"} once it survives power loss;
//                         with ?durability=archive the loss of the volume, with
//                         ?durability=process the end of the process only.
//   GET /items/<key>      200 with the value, 404.
//   DELETE /items/<key>   200 with the version, also where there was none. Takes a durability, too.
//   DELETE /items         drops the table with all that is in it, and begins an empty one. 200 with
//                         the version of the last write that it held.
//   GET /items?prefix=&after=&limit=
//                         the keys in order, one percent-encoded key a line; `after` is the last
//                         key of the page before; limit: 1 to 10000, default 1000.
//   POST /batch           several operations as one commit; see batch_text.h. Takes a durability.
//   GET /status           how far the state is archived; see archive_text.h.
//   GET /healthz          200 unless a restart would help: alive, starting too. For a liveness
//                         probe.
//   GET /readyz           200 while reads and writes are served. For a readiness probe.
//
// <key> is percent-encoded. Errors are text; the status code says what to do: 400 mend the request,
// 503 try again or elsewhere, 507 make room, 500 and 504 the outcome of a write is unknown.
//
// A fenced service, whose store another pod took over, answers 503 "fenced: ..." to reads, too, for
// the other pod may have newer state. It is not ready but alive: a restart would take the store
// back from its rightful owner, and two such pods would rob each other for ever. Whoever
// rescheduled it deletes it.
class CatalogService {
 public:
  static constexpr char kTable[] = "items";

  explicit CatalogService(std::shared_ptr<const mooring::HealthMonitor> health)
      : health_(std::move(health)) {}

  // Adds the handlers to `server`, which must not outlive this object.
  void Register(httplib::Server* server);

  // From now on requests are answered from `items` of `store`, or with 503 again. Requests under
  // way keep the store alive.
  void Start(std::shared_ptr<mooring::Store> store, mooring::Table items);
  void Stop();

  // What /healthz shows while the store opens.
  void SetProgress(const mooring::Progress& progress);

 private:
  struct State {
    std::shared_ptr<mooring::Store> store;
    mooring::Table items;
  };
  std::optional<State> Present() const;
  // What requests work on, while the service is started and not fenced; else answers 503.
  std::optional<State> Started(httplib::Response* response) const;
  void AnswerNotServing(const mooring::Health& health, httplib::Response* response) const;
  void HandlePut(const httplib::Request& request, httplib::Response* response,
                 const httplib::ContentReader& reader);
  void HandleGet(const httplib::Request& request, httplib::Response* response);
  void HandleDelete(const httplib::Request& request, httplib::Response* response);
  void HandleDrop(httplib::Response* response);
  void HandleList(const httplib::Request& request, httplib::Response* response);
  void HandleBatch(const httplib::Request& request, httplib::Response* response,
                   const httplib::ContentReader& reader);
  void HandleStatus(httplib::Response* response) const;
  void HandleHealth(httplib::Response* response) const;
  void HandleReady(httplib::Response* response) const;
  std::string Describe(const mooring::Health& health) const;

  const std::shared_ptr<const mooring::HealthMonitor> health_;
  mutable std::mutex mutex_;  // Guards what follows.
  std::optional<State> state_;
  mooring::Progress progress_;
};

}  // namespace catalog
