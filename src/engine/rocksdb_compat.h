#pragma once

#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"

// Where RocksDB's releases differ: everything that is not the same from 7.8 on is in this file.
namespace mooring::engine::compat {

// Newer releases hand out the database in a unique_ptr, older ones as a raw pointer.
template <typename Database>
auto OpenDatabase(const rocksdb::DBOptions& options, const std::string& directory,
                  const std::vector<rocksdb::ColumnFamilyDescriptor>& tables,
                  std::vector<rocksdb::ColumnFamilyHandle*>* handles,
                  std::unique_ptr<Database>* database, int /*preferred*/)
    -> decltype(Database::Open(options, directory, tables, handles, database)) {
  return Database::Open(options, directory, tables, handles, database);
}

template <typename Database>
rocksdb::Status OpenDatabase(const rocksdb::DBOptions& options, const std::string& directory,
                             const std::vector<rocksdb::ColumnFamilyDescriptor>& tables,
                             std::vector<rocksdb::ColumnFamilyHandle*>* handles,
                             std::unique_ptr<Database>* database, long /*otherwise*/) {
  Database* opened = nullptr;
  const rocksdb::Status status = Database::Open(options, directory, tables, handles, &opened);
  database->reset(opened);
  return status;
}

// The same for reading alone.
template <typename Database>
auto OpenForReading(const rocksdb::DBOptions& options, const std::string& directory,
                    const std::vector<rocksdb::ColumnFamilyDescriptor>& tables,
                    std::vector<rocksdb::ColumnFamilyHandle*>* handles,
                    std::unique_ptr<Database>* database, int /*preferred*/)
    -> decltype(Database::OpenForReadOnly(options, directory, tables, handles, database)) {
  return Database::OpenForReadOnly(options, directory, tables, handles, database);
}

template <typename Database>
rocksdb::Status OpenForReading(const rocksdb::DBOptions& options, const std::string& directory,
                               const std::vector<rocksdb::ColumnFamilyDescriptor>& tables,
                               std::vector<rocksdb::ColumnFamilyHandle*>* handles,
                               std::unique_ptr<Database>* database, long /*otherwise*/) {
  Database* opened = nullptr;
  const rocksdb::Status status =
      Database::OpenForReadOnly(options, directory, tables, handles, &opened);
  database->reset(opened);
  return status;
}

}  // namespace mooring::engine::compat
