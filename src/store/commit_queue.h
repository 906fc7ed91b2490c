#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "mooring/table.h"
#include "mooring/version.h"
#include "src/engine/engine.h"

namespace mooring::internal {

// Owns the order of commits, gives each its version, and is the only writer the engine ever sees.
//
// Q1  A group is one engine write of several commits, at most kMaxGroupBytes (a larger commit goes
//     alone), with one sync.
// Q2  Each commit begins with a marker (src/engine/commit_marker.h).
// Q3  Commits are validated before they are queued; making and dropping tables takes its turn here.
// Q4  Who finds the queue idle leads and writes its own commit at once. When it is done and others
//     wait, the commit thread takes over if any of them wants a sync, lingering up to kLinger for
//     as many members as last time; if none does, the leader goes on for some groups, and then the
//     first who waits leads.
// Q5  A commit with a deadline is copied into a node of the queue's own and never leads. When its
//     time is up the caller leaves the node behind.
// Q6  The kProcess commits at the head of a group are written and acknowledged before the others
// sync.
//
// After an engine write that failed nothing is written any more: the members of that group are
// unknown, all later ones are refused. Thread-safe.
class CommitQueue {
 public:
  static constexpr size_t kMaxGroupBytes = size_t{1} << 20;
  // Of copies held for commits with a deadline, unless told less. Others wait for room within their
  // deadline.
  static constexpr size_t kMaxCopiedBytes = size_t{256} << 20;

  // `failed` is called once, when a write has failed, with what to tell health().
  // No commit gets an earlier time than `least_time_us` (A12).
  CommitQueue(engine::Engine* engine, uint64_t epoch,
              std::function<void(const absl::Status&)> failed, int64_t least_time_us = 0,
              size_t max_copied_bytes = kMaxCopiedBytes);
  // After Stop().
  ~CommitQueue();

  absl::StatusOr<Version> Add(std::string_view operations, uint32_t count,
                              const CommitOptions& options);
  // Runs `work` while no group is under way. Answers as Add() does where the queue has ended.
  absl::Status RunExclusively(const std::function<absl::Status()>& work);

  // No write is accepted from now on; `reason` is what they answer. For failures found elsewhere.
  void Fail(const absl::Status& reason);
  // Refuses new commits from now on.
  void Refuse();
  // As Refuse(), and returns when the last commit under way has been answered.
  void Stop();

  // Commits that no group has taken yet.
  size_t Waiting() const { return waiting_count_.load(std::memory_order_relaxed); }

 private:
  struct Node;
  using Group = std::vector<Node*>;

  absl::StatusOr<Version> AddWithin(std::string_view operations, uint32_t count,
                                    const CommitOptions& options);
  void Submit(Node* node) ABSL_LOCKS_EXCLUDED(mutex_);
  void Enqueue(Node* node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeadOn() ABSL_LOCKS_EXCLUDED(mutex_);
  void HandOver() ABSL_LOCKS_EXCLUDED(mutex_);
  bool TakeGroup(Group* group) ABSL_LOCKS_EXCLUDED(mutex_);
  void WakeCommitThread();
  void RunCommitThread();
  void Linger(size_t members);
  void Write(Node* const* begin, Node* const* end);
  void RunWork(Node* node) ABSL_LOCKS_EXCLUDED(mutex_);
  void WritePart(Node* const* begin, Node* const* end, bool sync);
  absl::Status WriteToEngine(Node* const* begin, Node* const* end, bool sync)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Refusal() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Answer(Node* node);

  engine::Engine* const engine_;
  const uint64_t epoch_;
  const std::function<void(const absl::Status&)> report_failure_;
  const size_t max_copied_bytes_;

  mutable absl::Mutex mutex_;
  std::vector<Node*> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_synced_ ABSL_GUARDED_BY(mutex_) = 0;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;  // Somebody leads, or runs exclusively.
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  size_t copied_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);

  std::atomic<size_t> waiting_count_{0};  // Of waiting_, to be looked at without the mutex.
  int64_t last_time_us_ = 0;              // Of whoever leads.

  std::atomic<uint32_t> thread_word_{0};  // Tells the commit thread to lead or to end.
  std::thread thread_;
};

}  // namespace mooring::internal
