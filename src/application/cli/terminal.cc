// The process's terminal, clock and environment.
#include "application/cli/terminal.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/text.h"
#include "world/real/clock.h"
#include "world/real/entropy.h"

extern char** environ;

namespace bessemer::cli {
namespace {

volatile sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

// Writes all of it; a closed pipe ends the process as it does for every other program.
void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(descriptor, text.data(), text.size());
    if (done < 0 && errno != EINTR) std::_Exit(1);
    if (done > 0) text.remove_prefix(static_cast<std::size_t>(done));
  }
}

}  // namespace

ProcessTerminal::ProcessTerminal() = default;

void ProcessTerminal::out(std::string_view text) { write_all(STDOUT_FILENO, text); }
void ProcessTerminal::err(std::string_view text) { write_all(STDERR_FILENO, text); }
bool ProcessTerminal::is_interactive() const { return ::isatty(STDOUT_FILENO) == 1; }

std::size_t ProcessTerminal::columns() const {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

Result<std::string> ProcessTerminal::input(std::size_t limit) {
  std::string text;
  char piece[16 * 1024];
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return internal("the standard input cannot be read");
    if (got == 0) return text;
    text.append(piece, static_cast<std::size_t>(got));
    if (text.size() > limit) {
      return invalid("the standard input is larger than " + std::to_string(limit) + " bytes");
    }
  }
}

bool ProcessTerminal::pause(Duration span) {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second Ctrl-C ends the process
  ::sigaction(SIGINT, &action, nullptr);
  ::poll(nullptr, 0, static_cast<int>(span.ns / 1'000'000));
  return interrupted == 0;
}

Instant ProcessTerminal::now() const { return real::RealClock().now(); }

std::string ProcessTerminal::fresh_key() {
  char bytes[16];
  real::RealEntropy().fill(std::as_writable_bytes(std::span(bytes)));
  return to_hex(std::string_view(bytes, sizeof bytes));
}

std::string Surroundings::variable(const std::string& name) const {
  const auto at = variables.find(name);
  return at == variables.end() ? std::string() : at->second;
}

Surroundings process_surroundings() {
  Surroundings around;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    around.variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  if (char* folder = ::getcwd(nullptr, 0)) {
    around.working_directory = folder;
    std::free(folder);
  }
  return around;
}

}  // namespace bessemer::cli
