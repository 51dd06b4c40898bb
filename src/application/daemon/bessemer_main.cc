// bessemer: the daemon and its tools here; every other word goes to the client.
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "application/cli/cli.h"
#include "application/daemon/backup_tool.h"
#include "application/daemon/daemon.h"
#include "application/daemon/journal_tool.h"
#include "application/gateway/gateway.h"
#include "world/real/privileges.h"

namespace {

using namespace bessemer;

std::string program_directory() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path().string();
}

int fail(const Error& error) {
  fmt::print(stderr, "bessemer: {}\n", to_text(error));
  return 1;
}

int run_daemon(const std::vector<std::string>& words) {
  daemon::Options options;
  options.home = daemon::home_path();
  options.program_directory = program_directory();
  for (const std::string& word : words) {
    if (word == "--insecure") {
      options.insecure = true;
    } else {
      fmt::print(stderr, "usage: bessemer daemon [--insecure]\n");
      return 2;
    }
  }
  // Only the launcher, a program of its own, needs what root may; files of tasks are their users'.
  const auto laid_down = real::lay_down_privileges(real::Files::of_others);
  if (!laid_down) return fail(laid_down.error());
  auto started = daemon::Daemon::start(std::move(options));
  if (!started) return fail(started.error());
  return (*started)->run();
}

// `bessemer gateway`: a process that serves callers with what the daemon lends it.
int run_gateway(const std::vector<std::string>& words) {
  gateway::Options options;
  options.home = daemon::home_path();
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool has_value = i + 1 < words.size();
    if (words[i] == "--insecure") {
      options.insecure = true;
    } else if (words[i] == "--kept") {
      options.kept = true;
    } else if (words[i] == "--name" && has_value) {
      options.name = words[++i];
    } else if (words[i] == "--home" && has_value) {
      options.home = words[++i];
    } else if (words[i] == "--listen" && has_value) {
      auto address = real::parse_address(words[++i]);
      if (!address) return fail(std::move(address).error().within("--listen"));
      options.listen.push_back(*std::move(address));
    } else {
      fmt::print(stderr,
                 "usage: bessemer gateway [--name NAME] [--home FOLDER] [--listen ADDRESS]... "
                 "[--insecure]\n");
      return 2;
    }
  }
  options.control.path = options.home + "/run/control.sock";
  // It reads what strangers send: nothing that root may is left to it, wherever it can do without.
  struct stat about {};
  const bool own = ::stat(options.home.c_str(), &about) == 0 && about.st_uid == ::geteuid();
  const auto given_up =
      real::give_up_privileges(own ? real::Files::own : real::Files::of_others);
  if (!given_up) return fail(given_up.error());
  return gateway::run_gateway(options);
}

}  // namespace

int main(int count, char** words) {
  ::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> rest(words + std::min(count, 2), words + count);
  const std::string_view first = count > 1 ? words[1] : "";
  if (first == "daemon") return run_daemon(rest);
  // `gateway list` and its like are the client's.
  const bool is_option = !rest.empty() && rest.front().starts_with("-");
  if (first == "gateway" && (rest.empty() || is_option)) return run_gateway(rest);
  if (first == "journal") return daemon::run_journal_tool(rest);
  if (first == "backup") return daemon::run_backup(rest);
  if (first == "restore") return daemon::run_restore(rest);
  return cli::run_process(count, words,
                          {{"daemon", "run the factory in this process"},
                           {"gateway", "serve callers with what a daemon lends"},
                           {"backup", "copy the factory, running or not, to a folder or .tar file"},
                           {"restore", "make a state directory of a backup"},
                           {"journal cat", "print the facts of a state directory, one a line"},
                           {"journal usage", "print the records of the gateways' usage logs"},
                           {"journal verify", "check the chain of facts and what they seal"},
                           {"journal snapshot", "fold the facts into a snapshot"}});
}
