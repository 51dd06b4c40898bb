// What is typed and printed about backups.
#include "application/daemon/backup_tool.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "application/backup/restore.h"
#include "application/daemon/home.h"

namespace bessemer::daemon {
namespace {

constexpr std::string_view backup_help =
    "usage: bessemer backup PLACE\n"
    "\n"
    "Copies the factory in $BESSEMER_HOME (default ./factory), running or not, to PLACE: a new\n"
    "folder, or one file when the name ends in .tar. The copy is of one moment, and every digest\n"
    "is checked on the way.\n"
    "\n"
    "  bessemer backup /srv/backups/2026-11-20.tar\n"
    "\n"
    "A backup holds the factory's keys, secrets and personal data.\n";
constexpr std::string_view restore_help =
    "usage: bessemer restore PLACE [--to DIRECTORY] [--verify]\n"
    "\n"
    "Makes a new state directory of a backup: $BESSEMER_HOME (default ./factory), or DIRECTORY.\n"
    "It must be empty or not there. Every file is compared with the backup's list.\n"
    "\n"
    "  --to DIRECTORY  restore there instead\n"
    "  --verify        check also that the facts replay to the same state, that the ledger\n"
    "                  balances, and every artifact's digest\n"
    "\n"
    "Tasks that ran when the backup was taken are lost, and begun again where they may be. What\n"
    "the old factory does from now on means nothing to the restored one: stop it first.\n";

int fail(std::string_view verb, const Error& error) {
  fmt::print(stderr, "bessemer {}: {}\n", verb, to_text(error));
  return 1;
}

std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

// One line that is drawn again while a person looks; without one, nothing.
class Line {
 public:
  Line() : shown_(::isatty(STDERR_FILENO) != 0) {}
  ~Line() {
    if (shown_ && drawn_) fmt::print(stderr, "\r\x1b[K");
  }
  void tell(std::string_view what, std::uint64_t done, std::uint64_t of) {
    if (!shown_) return;
    drawn_ = true;
    const bool bytes = what != "facts" && what != "artifacts verified";
    const auto text = [&](std::uint64_t value) {
      return bytes ? megabytes(value) : fmt::format("{}", value);
    };
    std::string line(what);
    if (done > 0 || of > 0) line += " " + text(done);
    if (of > 0) line += " of " + text(of);
    fmt::print(stderr, "\r\x1b[K{}", line);
  }

 private:
  bool shown_, drawn_ = false;
};

bool asks_for_help(const std::vector<std::string>& words) {
  return words.size() == 1 && (words[0] == "--help" || words[0] == "-h");
}

std::string absolute(const std::string& path) {
  std::error_code ignored;  // an empty path is refused where it is used
  std::string text = std::filesystem::absolute(path, ignored).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

}  // namespace

int run_backup(const std::vector<std::string>& words) {
  if (words.size() != 1 || words[0].starts_with("-")) {
    fmt::print(asks_for_help(words) ? stdout : stderr, "{}", backup_help);
    return asks_for_help(words) ? 0 : 2;
  }
  const real::RealClock clock;
  backup::Options options;
  options.home = home_path();
  options.place = absolute(words[0]);
  options.now = clock.now();
  auto made = [&] {
    Line line;
    options.progress = [&](auto what, auto done, auto of) { line.tell(what, done, of); };
    return backup::make_backup(options);
  }();
  if (!made) return fail("backup", made.error());
  for (const std::string& path : made->passed_over) {
    fmt::print(stderr, "passed over, it changed while it was read: {}\n", path);
  }
  fmt::print("{}: {} facts, {} files, {}\n", options.place, made->contents.at.sequence,
             made->contents.files.size(), megabytes(made->bytes));
  fmt::print(stderr, "It holds this factory's keys, secrets and personal data: keep it as safe.\n");
  return 0;
}

int run_restore(const std::vector<std::string>& words) {
  backup::Restoring options;
  options.home = home_path();
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--verify") {
      options.depth = backup::Depth::everything;
    } else if (words[i] == "--to" && i + 1 < words.size()) {
      options.home = absolute(words[++i]);
    } else if (!words[i].starts_with("-") && options.place.empty()) {
      options.place = absolute(words[i]);
    } else {
      options.place.clear();
      break;
    }
  }
  if (options.place.empty()) {
    fmt::print(asks_for_help(words) ? stdout : stderr, "{}", restore_help);
    return asks_for_help(words) ? 0 : 2;
  }
  const real::RealClock clock;
  real::RealEntropy entropy;
  options.now = clock.now();
  entropy.fill(std::as_writable_bytes(std::span(options.mark)));
  auto restored = [&] {
    Line line;
    options.progress = [&](auto what, auto done, auto of) { line.tell(what, done, of); };
    return backup::restore(options);
  }();
  if (!restored) return fail("restore", restored.error());
  fmt::print("{}: {} facts of {}, {} files\n", options.home, restored->contents.at.sequence,
             to_text(restored->contents.taken), restored->contents.files.size());
  if (options.depth == backup::Depth::everything) {
    fmt::print("verified: chain, replay, ledger, {} artifacts\n", restored->artifacts);
  }
  fmt::print("start it with: BESSEMER_HOME={} bessemer daemon\n", options.home);
  return 0;
}

}  // namespace bessemer::daemon
