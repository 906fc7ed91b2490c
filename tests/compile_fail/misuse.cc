// Each MISUSE_* must not compile; without any this file must.
#include <memory>
#include <string>
#include <utility>

#include "mooring/store.h"
#include "mooring/termination.h"

void UseWell(mooring::Store& store, mooring::Table& table, mooring::Iterator& iterator) {
  mooring::WriteBatch batch;
  batch.Put(table, "key", "value");
  if (!store.Commit(batch).ok()) return;
  if (!table.Put("key", "value").ok() || !store.DropTable("table").ok()) return;
  mooring::Value value;
  if (!table.Get("key", &value).ok() || !iterator.status().ok()) return;
  mooring::Value moved = std::move(value);
  mooring::Table copy = table;
  if (!copy.Delete("key").ok() || moved.view().empty()) return;
}

#if defined(MISUSE_IGNORED_COMMIT)
void Misuse(mooring::Store& store, mooring::WriteBatch& batch) { store.Commit(batch); }
#elif defined(MISUSE_IGNORED_PUT)
void Misuse(mooring::Table& table) { table.Put("key", "value"); }
#elif defined(MISUSE_IGNORED_DROP)
void Misuse(mooring::Store& store) { store.DropTable("table"); }
#elif defined(MISUSE_IGNORED_GET)
void Misuse(mooring::Table& table, mooring::Value& value) { table.Get("key", &value); }
#elif defined(MISUSE_IGNORED_SCAN_STATUS)
void Misuse(mooring::Iterator& iterator) { iterator.status(); }
#elif defined(MISUSE_COPIED_STORE)
mooring::Store Misuse(mooring::Store& store) { return store; }
#elif defined(MISUSE_COPIED_VALUE)
mooring::Value Misuse(mooring::Value& value) { return value; }
#elif defined(MISUSE_COPIED_ITERATOR)
mooring::Iterator Misuse(mooring::Iterator& iterator) { return iterator; }
#elif defined(MISUSE_PUT_WITHOUT_TABLE)
void Misuse(mooring::WriteBatch& batch) { batch.Put("key", "value"); }
#elif defined(MISUSE_TIMEOUT_WITHOUT_UNIT)
void Misuse(mooring::Store& store) { store.Close(10); }
#endif
