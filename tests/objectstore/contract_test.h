#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "gtest/gtest.h"
#include "src/objectstore/object_store.h"

namespace mooring::objectstore {

// A place to keep objects in: each Open() is another client of the same empty place.
class Place {
 public:
  virtual ~Place() = default;
  virtual std::unique_ptr<ObjectStore> Open() = 0;
  // Leaves there what a writer of `key` leaves that is killed in the middle.
  virtual void Abandon(const std::string& key) = 0;
  // Why it cannot be used here; empty where it can.
  virtual std::string Missing() const { return ""; }
};

struct PlaceKind {
  std::string name;
  std::function<std::unique_ptr<Place>()> make;
};
inline std::ostream& operator<<(std::ostream& out, const PlaceKind& kind) {
  return out << kind.name;
}

// Bytes that differ from place to place, so that parts in the wrong place are noticed.
std::string Pattern(size_t size);

// What every store promises (object_store.h). Instantiated for each kind of place.
class ContractTest : public ::testing::TestWithParam<PlaceKind> {
 protected:
  void SetUp() override;

  std::unique_ptr<Place> place_;
  std::unique_ptr<ObjectStore> store_;
};

}  // namespace mooring::objectstore
