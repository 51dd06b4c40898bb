// A tree of files as canonical text: the SHA-256 of the text is the tree's name.
//
// "bessemer-tree 1\n", then per file, sorted by the bytes of its path, one line
//   ("f" | "x") " " size " " sha256-hex " " path "\n"
// where x marks an executable. Empty directories and every other attribute are not kept.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/describe.h"
#include "base/digest.h"
#include "base/result.h"

namespace bessemer::artifact {

constexpr std::size_t max_tree_files = 200'000;
constexpr std::size_t max_manifest_bytes = std::size_t{64} << 20;
constexpr std::uint64_t max_file_bytes = std::uint64_t{1} << 44;  // 16 TiB
constexpr std::uint64_t max_tree_bytes = std::uint64_t{1} << 50;  // 1 PiB

// One file of a tree.
struct Entry {
  std::string path;  // relative, see check_tree_path
  std::uint64_t bytes = 0;
  Digest digest;
  bool executable = false;
  friend bool operator==(const Entry&, const Entry&) = default;
};
DESCRIBE(Entry, path, bytes, digest, executable)

// The files of a tree, sorted by path, each path once, none inside another file.
struct Manifest {
  std::vector<Entry> entries;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};
DESCRIBE(Manifest, entries)

// check_relative_path, and: UTF-8 without control characters. Errors: invalid.
Result<void> check_tree_path(std::string_view path);

// Sorts and checks the entries. Errors: invalid, naming the path: twice, a file that is also a
// directory, too many, too large.
Result<Manifest> make_manifest(std::vector<Entry> entries);

// The canonical text. Requires: made by make_manifest or parse_manifest.
std::string to_text(const Manifest& manifest);
// Accepts canonical text only, so that one tree has one name. Errors: invalid, naming the line.
Result<Manifest> parse_manifest(std::string_view text);

Digest digest_of(const Manifest& manifest);
std::uint64_t bytes_of(const Manifest& manifest);
// Nothing when the tree has no such file.
const Entry* find(const Manifest& manifest, std::string_view path);

}  // namespace bessemer::artifact
