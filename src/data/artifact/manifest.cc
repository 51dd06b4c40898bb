// Canonical text of trees: made, read back strictly, named by its SHA-256.
#include "data/artifact/manifest.h"

#include <algorithm>

#include "base/text.h"

namespace bessemer::artifact {

namespace {

constexpr std::string_view first_line = "bessemer-tree 1\n";

bool by_path(const Entry& a, const Entry& b) { return a.path < b.path; }

Error at_path(std::string what, std::string_view path) {
  return invalid(std::move(what)).at(std::string(path));
}

Result<void> check_entry(const Entry& entry) {
  auto fits = check_tree_path(entry.path);
  if (!fits) return std::move(fits).error().at(entry.path.substr(0, 200));
  if (!entry.digest) return at_path("has no digest", entry.path);
  if (entry.bytes > max_file_bytes) return at_path("must be at most 16 TiB", entry.path);
  return {};
}

// A path that is a file and, in another path, a directory. In sorted order "a" and "a/b" need not
// be neighbours ("a", "a-b", "a/b"), so each parent is looked up.
Result<void> check_no_file_is_a_directory(const std::vector<Entry>& sorted) {
  for (const Entry& entry : sorted) {
    for (std::size_t slash = entry.path.find('/'); slash != std::string::npos;
         slash = entry.path.find('/', slash + 1)) {
      const std::string_view parent = std::string_view(entry.path).substr(0, slash);
      const auto at = std::lower_bound(
          sorted.begin(), sorted.end(), parent,
          [](const Entry& one, std::string_view path) { return one.path < path; });
      if (at != sorted.end() && at->path == parent) {
        return at_path("is both a file and a directory", parent);
      }
    }
  }
  return {};
}

// Takes the text up to the next `by`, or all of it, from the front of `rest`.
std::string_view take(std::string_view& rest, char by) {
  const std::size_t end = rest.find(by);
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return word;
}

Result<Entry> parse_entry(std::string_view line) {
  Entry entry;
  const std::string_view kind = take(line, ' ');
  if (kind != "f" && kind != "x") return invalid("must begin with f or x");
  entry.executable = kind == "x";
  const std::string_view size = take(line, ' ');
  const auto bytes = parse_unsigned(size);
  if (!bytes || std::to_string(*bytes) != size) return invalid("must name its size in bytes");
  entry.bytes = *bytes;
  TRY_ASSIGN(entry.digest, from_text(std::type_identity<Digest>{}, take(line, ' ')));
  entry.path = std::string(line);
  return entry;
}

}  // namespace

Result<void> check_tree_path(std::string_view path) {
  TRY(check_relative_path(path));
  if (!is_utf8(path)) return invalid("must be UTF-8");
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return invalid("must not hold control characters");
  }
  return {};
}

Result<Manifest> make_manifest(std::vector<Entry> entries) {
  if (entries.size() > max_tree_files) {
    return invalid("a tree may hold at most " + std::to_string(max_tree_files) + " files")
        .fix("pack small files together");
  }
  std::uint64_t total = 0;
  for (const Entry& entry : entries) {
    TRY(check_entry(entry));
    total += entry.bytes;
    if (total > max_tree_bytes) return invalid("a tree may hold at most 1 PiB");
  }
  std::sort(entries.begin(), entries.end(), by_path);
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (entries[i - 1].path == entries[i].path) return at_path("is there twice", entries[i].path);
  }
  TRY(check_no_file_is_a_directory(entries));
  Manifest manifest{std::move(entries)};
  if (to_text(manifest).size() > max_manifest_bytes) {
    return invalid("the paths of a tree may take at most 64 MiB together");
  }
  return manifest;
}

std::string to_text(const Manifest& manifest) {
  std::string out(first_line);
  for (const Entry& entry : manifest.entries) {
    out += entry.executable ? "x " : "f ";
    out += std::to_string(entry.bytes);
    out += ' ';
    out += to_text(entry.digest);
    out += ' ';
    out += entry.path;
    out += '\n';
  }
  return out;
}

Result<Manifest> parse_manifest(std::string_view text) {
  if (text.size() > max_manifest_bytes) return invalid("a manifest may take at most 64 MiB");
  if (!text.starts_with(first_line)) return invalid("must begin with \"bessemer-tree 1\"");
  std::string_view rest = text.substr(first_line.size());
  if (!rest.empty() && rest.back() != '\n') return invalid("the last line is cut short");
  std::vector<Entry> entries;
  for (std::size_t number = 2; !rest.empty(); ++number) {
    auto entry = parse_entry(take(rest, '\n'));
    if (!entry) return std::move(entry).error().within("line " + std::to_string(number));
    entries.push_back(*std::move(entry));
    if (entries.size() > max_tree_files) break;  // make_manifest says so
  }
  TRY_ASSIGN(Manifest manifest, make_manifest(std::move(entries)));
  if (to_text(manifest) != text) {
    return invalid("is not in canonical form: lines sorted by path, digests in lower case");
  }
  return manifest;
}

Digest digest_of(const Manifest& manifest) { return sha256(to_text(manifest)); }

std::uint64_t bytes_of(const Manifest& manifest) {
  std::uint64_t total = 0;
  for (const Entry& entry : manifest.entries) total += entry.bytes;
  return total;
}

const Entry* find(const Manifest& manifest, std::string_view path) {
  const auto at = std::lower_bound(
      manifest.entries.begin(), manifest.entries.end(), path,
      [](const Entry& one, std::string_view wanted) { return one.path < wanted; });
  return at != manifest.entries.end() && at->path == path ? &*at : nullptr;
}

}  // namespace bessemer::artifact
