// Reading folders into trees, sending what is missing, fetching what is wanted.
#include "application/cli/transfer.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "application/cli/session.h"
#include "base/text.h"

namespace bessemer::cli {
namespace {

namespace fs = std::filesystem;
using Kind = Document::Kind;
constexpr std::size_t read_piece = std::size_t{1} << 20;

// '*' stands for any text but '/'.
bool matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos && text[mark] != '/') {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<artifact::Entry> read_entry(const fs::path& path, std::string name) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_found("cannot read " + path.string());
  Sha256 digest;
  artifact::Entry entry;
  std::string piece(read_piece, '\0');
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())), file.gcount() > 0) {
    const auto got = static_cast<std::size_t>(file.gcount());
    digest.add(std::string_view(piece).substr(0, got));
    entry.bytes += got;
  }
  if (file.bad()) return internal("cannot read " + path.string());
  entry.path = std::move(name);
  entry.digest = digest.finish();
  std::error_code failed;
  const auto mode = fs::status(path, failed).permissions();
  entry.executable = (mode & fs::perms::owner_exec) != fs::perms::none;
  return entry;
}

Result<void> read_folder(const fs::path& root, const std::string& below,
                         const std::vector<std::string>& patterns,
                         std::vector<artifact::Entry>& entries) {
  std::error_code failed;
  std::vector<fs::directory_entry> found;
  for (fs::directory_iterator at(root / below, failed), end; !failed && at != end;
       at.increment(failed)) {
    found.push_back(*at);
  }
  if (failed) return not_found("cannot read the folder " + (root / below).string());
  for (const fs::directory_entry& entry : found) {
    const std::string name = (below.empty() ? "" : below + "/") + entry.path().filename().string();
    const bool folder = entry.is_directory(failed) && !entry.is_symlink(failed);
    if (is_ignored(patterns, name, folder)) continue;
    if (entry.is_symlink(failed)) {
      const fs::path target = fs::canonical(entry.path(), failed);
      const fs::path inside = failed ? fs::path() : target.lexically_relative(fs::canonical(root));
      if (failed || inside.empty() || *inside.begin() == "..") {
        return invalid(name + " is a link that leads out of the folder").fix("copy its target");
      }
      if (fs::is_directory(target)) return invalid(name + " is a link to a folder");
    } else if (folder) {
      TRY(read_folder(root, name, patterns, entries));
      continue;
    } else if (!entry.is_regular_file(failed)) {
      return invalid(name + " is neither a file nor a folder");
    }
    if (entries.size() >= artifact::max_tree_files) {
      return invalid("a tree holds at most " + std::to_string(artifact::max_tree_files) + " files");
    }
    TRY_ASSIGN(artifact::Entry one, read_entry(entry.path(), name));
    entries.push_back(std::move(one));
  }
  return {};
}

// Shows how far a transfer is, on one line that is drawn over.
class Progress {
 public:
  Progress(Session& session, std::string doing, std::uint64_t total)
      : session_(session), doing_(std::move(doing)), total_(total),
        shown_(session.terminal().is_interactive() && total > 0) {}
  ~Progress() {
    if (shown_) session_.note("\r\x1b[K");
  }
  void add(std::uint64_t bytes) {
    done_ += bytes;
    const std::uint64_t percent = total_ == 0 ? 100 : done_ * 100 / total_;
    if (!shown_ || percent == percent_) return;
    percent_ = percent;
    const std::size_t filled = static_cast<std::size_t>(percent * 30 / 100);
    session_.note("\r" + doing_ + " [" + std::string(filled, '=') +
                  std::string(30 - std::min<std::size_t>(filled, 30), ' ') + "] " +
                  std::to_string(percent) + "%");
  }

 private:
  Session& session_;
  std::string doing_;
  std::uint64_t total_, done_ = 0, percent_ = 101;
  bool shown_;
};

std::string body_of(std::initializer_list<std::pair<std::string_view, Document>> members) {
  Document body = Document::object();
  for (const auto& [name, value] : members) body.set(name, value);
  return to_json(body, Layout::compact);
}

Document number(std::uint64_t value) { return {Kind::number, std::to_string(value), {}}; }

// One file, in pieces, going on where a former try of it ended.
Result<void> upload_file(Session& session, const fs::path& path, const artifact::Entry& entry,
                         Progress& progress) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(std::string project, session.project());
  // The same key for the same bytes: a repeated call finds the upload that was begun before.
  TRY_ASSIGN(const Document begun,
             remote->call("POST", "/api/v1/uploads",
                          body_of({{"project", Document::of(std::move(project))},
                                   {"digest", Document::of(to_text(entry.digest))},
                                   {"bytes", number(entry.bytes)}}),
                          "upload-" + to_text(entry.digest)));
  const std::string target = path_of("/api/v1/uploads/{}", {begun.text("id")});
  std::uint64_t at = parse_unsigned(begun.text("arrived")).value_or(0);
  progress.add(at);
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  std::string piece(std::min<std::uint64_t>(upload_piece, std::max<std::uint64_t>(1, entry.bytes)),
                    '\0');
  while (at < entry.bytes) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    const auto got = static_cast<std::size_t>(file.gcount());
    if (got == 0) return conflict(path.string() + " became shorter while it was sent");
    TRY(remote->send_bytes("PATCH", target + query_text({{"offset", std::to_string(at)}}),
                           std::string_view(piece).substr(0, got)));
    at += got;
    progress.add(got);
  }
  TRY(remote->call("POST", target + "/commit", "{}"));
  return {};
}

// The id of the thing in a project that is called `name`; nothing when there is none.
Result<std::string> find_named(Session& session, std::string_view list, const std::string& name) {
  auto id = look_up(session, list, name);
  if (!id && id.error().code == Code::not_found) return std::string();
  return id;
}

// Finds the thing of that name or makes it.
}  // namespace

Result<std::string> find_or_make(Session& session, const std::string& list,
                                 const std::string& name) {
  TRY_ASSIGN(std::string id, find_named(session, list, name));
  if (!id.empty()) return id;
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(std::string project, session.project());
  const auto description = session.arguments().value("description");
  TRY_ASSIGN(const Document made,
             remote->call("POST", list,
                          body_of({{"project", Document::of(std::move(project))},
                                   {"name", Document::of(name)},
                                   {"description", Document::of(description.value_or(""))}})));
  return made.text("id");
}

void tell_pushed(Session& session, const Pushed& pushed) {
  session.note(std::to_string(pushed.files) + " files, " + std::to_string(pushed.bytes) +
               " bytes, " + std::to_string(pushed.sent) + " sent\n");
}

bool is_ignored(const std::vector<std::string>& patterns, std::string_view path, bool folder) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (name == ".git" || name == "__pycache__") return folder;
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
    if (pattern.ends_with('/')) {
      if (!folder) return false;
      pattern.remove_suffix(1);
    }
    const bool whole = pattern.find('/') != std::string_view::npos;
    if (pattern.starts_with('/')) pattern.remove_prefix(1);
    return matches(pattern, whole ? path : name);
  });
}

Result<std::string> read_local_file(const std::string& path, std::size_t limit) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_found("cannot read " + path);
  std::string text(limit + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > limit) {
    return invalid(path + " is larger than " + std::to_string(limit) + " bytes");
  }
  return text;
}

Result<artifact::Manifest> read_tree(const std::string& folder) {
  std::error_code failed;
  if (!fs::is_directory(folder, failed)) return not_found("there is no folder " + folder);
  std::vector<std::string> patterns;
  if (const auto text = read_local_file(folder + "/.bessemerignore", 64 * 1024)) {
    for (const std::string_view line : split(*text, '\n')) {
      if (!trim(line).empty() && !line.starts_with('#')) patterns.emplace_back(trim(line));
    }
  }
  std::vector<artifact::Entry> entries;
  TRY(read_folder(folder, "", patterns, entries));
  return artifact::make_manifest(std::move(entries));
}

Result<Pushed> push_tree(Session& session, const std::string& folder) {
  TRY_ASSIGN(const artifact::Manifest manifest, read_tree(folder));
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const std::string project, session.project());
  const std::string text = artifact::to_text(manifest);
  const std::string target = "/api/v1/trees" + query_text({{"project", project}});
  TRY_ASSIGN(Document answer, remote->send_bytes("POST", target, text));
  Pushed pushed{artifact::digest_of(manifest), artifact::bytes_of(manifest), 0,
                manifest.entries.size()};
  const Document* missing = answer.find("missing");
  if (missing == nullptr || missing->members.empty()) return pushed;
  std::vector<const artifact::Entry*> wanted;
  for (const auto& [unnamed, digest] : missing->members) {
    for (const artifact::Entry& entry : manifest.entries) {
      if (to_text(entry.digest) != digest.scalar) continue;
      wanted.push_back(&entry);
      pushed.sent += entry.bytes;
      break;
    }
  }
  Progress progress(session, "pushing " + folder, pushed.sent);
  for (const artifact::Entry* entry : wanted) {
    TRY(upload_file(session, fs::path(folder) / entry->path, *entry, progress));
  }
  TRY_ASSIGN(answer, remote->send_bytes("POST", target, text));
  missing = answer.find("missing");
  if (missing != nullptr && !missing->members.empty()) {
    return conflict("the folder changed while it was pushed").fix("push it again");
  }
  return pushed;
}

Result<void> pull_tree(Session& session, const std::string& digest, const std::string& folder) {
  std::error_code failed;
  if (fs::exists(folder, failed) && !fs::is_empty(folder, failed)) {
    return conflict(folder + " is not empty");
  }
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const std::string project, session.project());
  const std::string query = query_text({{"project", project}});

  struct Sink final : server::AnswerSink {
    Result<void> on_piece(std::string_view piece) override {
      if (bytes.size() + piece.size() > artifact::max_manifest_bytes) return invalid("too large");
      bytes += piece;
      return {};
    }
    std::string bytes;
  } listing;
  TRY(remote->stream(path_of("/api/v1/trees/{}", {digest}) + query, listing, seconds(60)));
  TRY_ASSIGN(const artifact::Manifest manifest, artifact::parse_manifest(listing.bytes));
  if (to_text(artifact::digest_of(manifest)) != digest) return internal("the tree is another one");

  struct FileSink final : server::AnswerSink {
    FileSink(const fs::path& path, Progress& bar) : file(path, std::ios::binary), progress(bar) {}
    Result<void> on_piece(std::string_view piece) override {
      file.write(piece.data(), static_cast<std::streamsize>(piece.size()));
      if (!file) return exhausted("the file cannot be written");
      digest.add(piece);
      progress.add(piece.size());
      return {};
    }
    std::ofstream file;
    Progress& progress;
    Sha256 digest;
  };
  Progress progress(session, "pulling " + folder, artifact::bytes_of(manifest));
  for (const artifact::Entry& entry : manifest.entries) {
    const fs::path path = fs::path(folder) / entry.path;
    fs::create_directories(path.parent_path(), failed);
    FileSink sink(path, progress);
    TRY(remote->stream(path_of("/api/v1/blobs/{}", {to_text(entry.digest)}) + query +
                           "&tree=" + digest, sink,
                       seconds(60)));
    sink.file.close();
    if (sink.digest.finish() != entry.digest) return internal(entry.path + " arrived damaged");
    if (entry.executable) {
      fs::permissions(path, fs::perms::owner_exec, fs::perm_options::add, failed);
    }
  }
  return {};
}

Result<int> push_artifact(Session& session) {
  TRY_ASSIGN(const Pushed pushed, push_tree(session, session.arguments().operand(0)));
  tell_pushed(session, pushed);
  session.print(to_text(pushed.tree) + "\n");
  return 0;
}

Result<int> pull_artifact(Session& session) {
  TRY(pull_tree(session, session.arguments().operand(0), session.arguments().operand(1)));
  return 0;
}

}  // namespace bessemer::cli
