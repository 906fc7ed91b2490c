#include "src/archive/pin.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/base/futex.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"

namespace mooring::archive {
namespace {

using objectstore::ObjectInfo;
using objectstore::ObjectStore;
using objectstore::RequestOptions;

// The first line, in every version; later ones keep the lines that are read here.
constexpr std::string_view kMagic = "mooring pin\n";
constexpr size_t kChecksumLineBytes = 7 + 8 + 1;
constexpr int kListLimit = 1000;
constexpr absl::Duration kForgottenAfter = absl::Hours(1);
constexpr absl::Duration kTakeTimeout = absl::Seconds(30);
constexpr absl::Duration kRenewTimeout = absl::Seconds(10);
constexpr absl::Duration kRemoveTimeout = absl::Seconds(5);
constexpr absl::Duration kFirstPause = absl::Milliseconds(50);

std::string PinKey(std::string_view id) { return absl::StrCat(ToAbsl(kPinsPrefix), ToAbsl(id)); }

std::string ChecksumLine(std::string_view body) {
  return absl::StrFormat("crc32c %08x\n", Crc32c(body));
}

std::string Encode(const Pin& pin) {
  std::string who = pin.who;
  std::replace_if(
      who.begin(), who.end(), [](unsigned char c) { return absl::ascii_iscntrl(c); }, ' ');
  const std::string body = absl::StrCat(ToAbsl(kMagic), "format 1\nid ", pin.id, "\nexpires_us ",
                                        pin.expires_us, "\ncheckpoint ", pin.checkpoint,
                                        "\nreplay_from ", pin.replay_from, "\nwho ", who, "\n");
  return body + ChecksumLine(body);
}

std::optional<Pin> Decode(std::string_view data) {
  if (data.size() < kMagic.size() + kChecksumLineBytes) return std::nullopt;
  const std::string_view body = data.substr(0, data.size() - kChecksumLineBytes);
  if (body.substr(0, kMagic.size()) != kMagic || data.substr(body.size()) != ChecksumLine(body)) {
    return std::nullopt;
  }
  Pin pin;
  bool good = true;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(body), '\n')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    const auto& [kind, value] = parts;
    if (kind == "id") pin.id = std::string(value);
    if (kind == "who") pin.who = std::string(value);
    if (kind == "expires_us") good = good && absl::SimpleAtoi(value, &pin.expires_us);
    if (kind == "checkpoint") good = good && absl::SimpleAtoi(value, &pin.checkpoint);
    if (kind == "replay_from") good = good && absl::SimpleAtoi(value, &pin.replay_from);
  }
  if (!good || !IsId(pin.id)) return std::nullopt;
  return pin;
}

class Holder final : public PinHolder {
 public:
  Holder(ObjectStore* store, const std::string& who, const PinOptions& options)
      : store_(store), options_(options), id_(RandomId()) {
    pin_.id = id_;
    pin_.who = who;
  }

  ~Holder() override {
    stop_ = 1;
    FutexWake(&stop_);
    if (thread_.joinable()) thread_.join();
    store_->Delete(PinKey(id_), {kRemoveTimeout}).IgnoreError();
  }

  absl::Status Start() {
    {
      absl::MutexLock lock(&mutex_);
      MOORING_RETURN_IF_ERROR(PutPatiently());
    }
    thread_ = std::thread([this] { Renew(); });
    return absl::OkStatus();
  }

  absl::Status Narrow(const RestorePlan& plan) override {
    absl::MutexLock lock(&mutex_);
    pin_.checkpoint = plan.checkpoint->slot;
    pin_.replay_from = plan.checkpoint->As<CheckpointEntry>()->replay_from;
    return PutPatiently();
  }

 private:
  int64_t Now() const {
    return options_.now_us ? options_.now_us() : absl::ToUnixMicros(absl::Now());
  }

  absl::Status Put(Pin pin, absl::Duration timeout) {
    pin.expires_us = Now() + absl::ToInt64Microseconds(options_.expiry);
    return store_->Put(PinKey(pin.id), Encode(pin), {timeout});
  }

  absl::Status PutPatiently() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const Deadline deadline(kTakeTimeout);
    for (absl::Duration pause = kFirstPause;; pause *= 2) {
      const absl::Status status = Put(pin_, deadline.Left());
      if (!absl::IsUnavailable(status) || deadline.Left() <= pause) return status;
      absl::SleepFor(pause);
    }
  }

  void Renew() {
    while (true) {
      for (const Deadline next(options_.expiry / 3); stop_ == 0 && !next.Passed();) {
        FutexWait(&stop_, 0, next.Left());
      }
      if (stop_ != 0) return;
      absl::MutexLock lock(&mutex_);
      Put(pin_, std::min(options_.expiry / 3, kRenewTimeout))
          .IgnoreError();  // The next one may succeed.
    }
  }

  ObjectStore* const store_;
  const PinOptions options_;
  const std::string id_;
  absl::Mutex mutex_;  // Held while it is sent, so that no older one comes last.
  Pin pin_ ABSL_GUARDED_BY(mutex_);
  std::atomic<uint32_t> stop_{0};
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PinHolder>> PinHolder::Take(ObjectStore* store,
                                                           const std::string& who,
                                                           const PinOptions& options) {
  auto holder = std::make_unique<Holder>(store, who, options);
  MOORING_RETURN_IF_ERROR(holder->Start());
  return holder;
}

absl::StatusOr<std::vector<Pin>> ReadPins(ObjectStore& store, int64_t now_us,
                                          const RequestOptions& options) {
  std::vector<Pin> pins;
  std::string after;
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const std::vector<ObjectInfo> page,
                             store.List(kPinsPrefix, after, kListLimit, options));
    for (const ObjectInfo& object : page) {
      const absl::StatusOr<std::string> data = store.Get(object.key, options);
      if (absl::IsNotFound(data.status()) || absl::IsDataLoss(data.status())) continue;
      MOORING_RETURN_IF_ERROR(data.status());
      std::optional<Pin> pin = Decode(*data);
      if (!pin) continue;
      if (pin->expires_us + absl::ToInt64Microseconds(kForgottenAfter) < now_us) {
        store.Delete(object.key, options).IgnoreError();
      } else if (pin->expires_us > now_us) {
        pins.push_back(*std::move(pin));
      }
    }
    if (page.size() < kListLimit) return pins;
    after = page.back().key;
  }
}

}  // namespace mooring::archive
