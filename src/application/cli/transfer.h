// Trees of files up and down: only what is missing travels, and a broken transfer goes on.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "application/cli/arguments.h"
#include "base/digest.h"
#include "base/result.h"
#include "data/artifact/manifest.h"

namespace bessemer::cli {

constexpr std::size_t upload_piece = std::size_t{4} << 20;  // bytes of one request

// A folder as the factory has it now.
struct Pushed {
  Digest tree;
  std::uint64_t bytes = 0;  // of all files
  std::uint64_t sent = 0;   // that had to travel
  std::size_t files = 0;
};

// What of a folder is pushed: everything but .git, __pycache__ and what `.bessemerignore` in its
// root names (one pattern a line, '*' for any text, a last '/' for folders).
bool is_ignored(const std::vector<std::string>& patterns, std::string_view path, bool folder);

// The files of a folder with their digests. Errors: invalid (links out of it, special files),
// not_found.
Result<artifact::Manifest> read_tree(const std::string& folder);

// Uploads what is missing and publishes the tree in the session's project.
Result<Pushed> push_tree(Session& session, const std::string& folder);
// Downloads a tree into a new or empty folder; every file is checked.
Result<void> pull_tree(Session& session, const std::string& digest, const std::string& folder);

// Says what travelled.
void tell_pushed(Session& session, const Pushed& pushed);

// The id of the thing of that name in the session's project, which is made when there is none.
Result<std::string> find_or_make(Session& session, const std::string& list,
                                 const std::string& name);

// A whole file of this machine. Errors: not_found, invalid (larger than `limit`).
Result<std::string> read_local_file(const std::string& path, std::size_t limit);

Result<int> push_dataset(Session& session);  // dataset.cc
Result<int> pull_dataset(Session& session);
Result<int> inspect_dataset(Session& session);
Result<int> show_dataset(Session& session);
Result<int> push_artifact(Session& session);
Result<int> pull_artifact(Session& session);
Result<int> import_model(Session& session);  // model.cc
Result<int> show_model(Session& session);
Result<int> show_lineage(Session& session);

}  // namespace bessemer::cli
