#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "examples/catalog/client/commands.h"
#include "examples/catalog/client/connection.h"

// What the client's commands have in common.
namespace catalog {

void Complain(const std::string& message);

// Complains of `status`.
ExitCode Misused(const absl::Status& status);

std::string Describe(const Connection::Answer& answer);

// Runs `body` in so many threads, each with a connection of its own.
void InThreads(const ClientOptions& options, const std::function<void(Connection*)>& body);

}  // namespace catalog
