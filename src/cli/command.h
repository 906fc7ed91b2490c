#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "src/cli/output.h"
#include "src/cli/volume_view.h"

namespace mooring::cli {

// What one run of the command shares.
struct Context {
  Output output;
  absl::Status status;  // Of the subcommand; its exit code.
};

using Work = std::function<absl::Status(const Output& output)>;

// A subcommand of `parent`; `examples` end its help.
CLI::App* AddCommand(CLI::App& parent, const std::string& name, const std::string& description,
                     const std::string& examples);
// `work` runs when the subcommand was given.
void Does(CLI::App* command, Context* context, Work work);

// Options that many share.
void AddVolume(CLI::App* command, std::string* volume);
void AddArchive(CLI::App* command, std::string* url, bool required);
void AddOwnFlags(CLI::App* command, OwnFlags* flags);

void AddInspect(CLI::App& app, Context* context);
void AddVerify(CLI::App& app, Context* context);
void AddLog(CLI::App& app, Context* context);
void AddData(CLI::App& app, Context* context);        // get, put, delete, scan
void AddLines(CLI::App& app, Context* context);       // dump, load
void AddArchive(CLI::App& app, Context* context);     // archive list, stat, verify
void AddCollect(CLI::App& family, Context* context);  // archive gc
void AddRestore(CLI::App& app, Context* context);     // restore, drill
void AddRewind(CLI::App& app, Context* context);      // rewind, copy
void AddSnapshot(CLI::App& app, Context* context);    // export, import
void AddDoctor(CLI::App& app, Context* context);
void AddCompletion(CLI::App& app, Context* context);

}  // namespace mooring::cli
