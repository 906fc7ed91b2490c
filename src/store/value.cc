#include "mooring/value.h"

namespace mooring {

Value::Value(Value&& other) noexcept { *this = std::move(other); }

Value& Value::operator=(Value&& other) noexcept {
  if (this == &other) return *this;
  Reset();
  if (other.manage_ == nullptr) return *this;
  manage_ = other.manage_;
  data_ = manage_(other.storage_, storage_);
  other.manage_ = nullptr;
  other.data_ = {};
  return *this;
}

void Value::Reset() {
  if (manage_ != nullptr) manage_(storage_, nullptr);
  manage_ = nullptr;
  data_ = {};
}

}  // namespace mooring
