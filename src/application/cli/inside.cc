// exec, cp and port-forward.
#include "application/cli/inside.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "application/cli/stream.h"
#include "application/cli/table.h"
#include "base/text.h"
#include "compute/executor/copy.h"
#include "world/real/socket.h"

namespace bessemer::cli {
namespace {

constexpr int max_forwarded = 64;  // connections at once
constexpr int look_ms = 250;

Document number(std::uint64_t value) {
  return {Document::Kind::number, std::to_string(value), {}};
}

Result<Document> body_with_task(Session& session) {
  Document body = Document::object();
  if (const auto rank = session.arguments().value("rank")) {
    const auto value = parse_unsigned(*rank);
    if (!value) return invalid("must be a whole number").at("--rank");
    body.set("task", number(*value));
  }
  return body;
}

Result<std::string> target_of(Session& session, const std::string& job,
                              std::string_view pattern) {
  TRY_ASSIGN(const std::string id, look_up(session, "/api/v1/jobs", job));
  return path_of(pattern, {id});
}

// A pipe between the session and a thread that packs or unpacks.
Result<std::pair<real::Descriptor, real::Descriptor>> make_pipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return exhausted("no more descriptors");
  return std::pair{real::Descriptor(ends[0]), real::Descriptor(ends[1])};
}

std::string last_part(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

int tell_copied(Session& session, const executor::Copied& done) {
  session.note(std::to_string(done.files) + " files, " + std::to_string(done.bytes) + " bytes\n");
  if (done.left_out > 0) {
    session.note(std::to_string(done.left_out) + " links and special files were left out\n");
  }
  return 0;
}

Result<int> copy_out(Session& session, const TaskPath& from, const std::string& to) {
  TRY_ASSIGN(Document body, body_with_task(session));
  body.set("path", Document::of(from.path));
  body.set("direction", Document::of("out"));
  TRY_ASSIGN(const std::string target, target_of(session, from.job, "/api/v1/jobs/{}/files"));
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(auto connection, remote->upgrade(target, to_json(body, Layout::compact)));
  TRY_ASSIGN(auto pipe, make_pipe());
  Result<executor::Copied> unpacked = executor::Copied{};
  std::thread unpacker([&, read_end = std::move(pipe.first)]() mutable {
    unpacked = executor::unpack_files(read_end.get(), to, last_part(from.path));
    read_end.reset();  // whoever still writes learns that nobody reads
  });
  LocalStreams local;
  local.output = pipe.second.get();
  auto ended = relay(std::move(connection), local);
  pipe.second.reset();
  unpacker.join();
  if (!ended) return std::move(ended).error();
  if (ended->exit_code != 0) return conflict("in the task: " + std::string(trim(ended->said)));
  if (!unpacked) return std::move(unpacked).error();
  session.note(printable(ended->said));
  return tell_copied(session, *unpacked);
}

Result<int> copy_in(Session& session, const std::string& from, const TaskPath& to) {
  if (::access(from.c_str(), R_OK) != 0) return not_found("cannot read " + from);
  TRY_ASSIGN(Document body, body_with_task(session));
  body.set("path", Document::of(to.path));
  body.set("direction", Document::of("in"));
  body.set("name", Document::of(last_part(from)));
  TRY_ASSIGN(const std::string target, target_of(session, to.job, "/api/v1/jobs/{}/files"));
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(auto connection, remote->upgrade(target, to_json(body, Layout::compact)));
  TRY_ASSIGN(auto pipe, make_pipe());
  Result<executor::Copied> packed = executor::Copied{};
  std::thread packer([&, write_end = std::move(pipe.second)]() mutable {
    packed = executor::pack_files(from, write_end.get());
    write_end.reset();
  });
  LocalStreams local;
  local.input = pipe.first.get();
  local.output = STDOUT_FILENO;
  auto ended = relay(std::move(connection), local);
  pipe.first.reset();
  packer.join();
  // What went wrong in the task breaks the pipe here: it comes first.
  if (!ended) return std::move(ended).error();
  if (ended->exit_code != 0 && (packed || packed.error().code == Code::unavailable)) {
    return conflict("in the task: " + std::string(trim(ended->said)));
  }
  if (!packed) return std::move(packed).error();
  return tell_copied(session, *packed);
}

// One accepted connection, on a thread of its own.
void serve_one(const real::Descriptor& local, server::BlockingClient::Released connection) {
  LocalStreams streams;
  streams.input = streams.output = local.get();
  streams.output_is_socket = true;
  const auto ended = relay(std::move(connection), streams);
  if (ended) return;
  const std::string line = "bessemer: " + printable(to_text(ended.error())) + "\n";
  (void)!::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

std::optional<TaskPath> parse_task_path(std::string_view word) {
  const std::size_t colon = word.find(':');
  if (colon == std::string_view::npos || colon == 0 || word.find('/') < colon) return std::nullopt;
  return TaskPath{std::string(word.substr(0, colon)), std::string(word.substr(colon + 1))};
}

Result<Ports> parse_ports(std::string_view word) {
  const std::size_t colon = word.find(':');
  const std::string_view remote = colon == std::string_view::npos ? word : word.substr(colon + 1);
  const std::string_view local = colon == std::string_view::npos ? word : word.substr(0, colon);
  const auto inside = parse_unsigned(remote);
  const auto outside = local.empty() ? std::optional<std::uint64_t>(0) : parse_unsigned(local);
  if (!inside || !outside || *inside == 0 || *inside > 65'535 || *outside > 65'535) {
    return invalid("must be LOCAL:REMOTE, ports from 1 to 65535").fix("for example 8080:80");
  }
  return Ports{static_cast<std::uint16_t>(*outside), static_cast<std::uint16_t>(*inside)};
}

Result<int> exec_in_task(Session& session) {
  const Arguments& given = session.arguments();
  TRY_ASSIGN(Document body, body_with_task(session));
  Document command = Document::list();
  for (const std::string& word : given.rest) {
    command.members.emplace_back("", Document::of(word));
  }
  if (command.members.empty()) {
    return invalid("needs a command").fix("bessemer exec JOB -- COMMAND...");
  }
  body.set("command", std::move(command));
  if (const auto folder = given.value("workdir")) {
    body.set("working_directory", Document::of(*folder));
  }
  const bool terminal = given.has("terminal");
  winsize size{};
  if (terminal) {
    if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0) {
      return invalid("the standard input is no terminal").fix("leave out -t");
    }
    body.set("terminal", {Document::Kind::boolean, "true", {}});
    body.set("rows", number(size.ws_row));
    body.set("columns", number(size.ws_col));
  }
  TRY_ASSIGN(const std::string target,
             target_of(session, given.operand(0), "/api/v1/jobs/{}/exec"));
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(auto connection, remote->upgrade(target, to_json(body, Layout::compact)));
  RawTerminal raw;
  if (terminal) TRY(raw.enter(STDIN_FILENO));
  LocalStreams local;
  local.input = terminal || given.has("stdin") ? STDIN_FILENO : -1;
  local.output = STDOUT_FILENO;
  local.errors = STDERR_FILENO;
  local.terminal = terminal;
  TRY_ASSIGN(const StreamEnd ended, relay(std::move(connection), local));
  return ended.exit_code;
}

Result<int> copy_files(Session& session) {
  ::signal(SIGPIPE, SIG_IGN);
  const std::string from = session.arguments().operand(0), to = session.arguments().operand(1);
  const auto inside_from = parse_task_path(from), inside_to = parse_task_path(to);
  if (inside_from && inside_to) {
    return invalid("one of the two must be a path of this machine").fix("copy in two steps");
  }
  if (inside_from) return copy_out(session, *inside_from, to);
  if (inside_to) return copy_in(session, from, *inside_to);
  return invalid("one of the two must be in a task").fix("for example JOB:/bessemer/outputs");
}

Result<int> forward_port(Session& session) {
  ::signal(SIGPIPE, SIG_IGN);
  auto ports = parse_ports(session.arguments().operand(1));
  if (!ports) return std::move(ports).error().at("PORTS");
  TRY_ASSIGN(Document body, body_with_task(session));
  body.set("port", number(ports->remote));
  const std::string text = to_json(body, Layout::compact);
  TRY_ASSIGN(const std::string target,
             target_of(session, session.arguments().operand(0),
                       "/api/v1/jobs/{}/connections"));
  real::Address address;
  address.host = "127.0.0.1";
  address.port = ports->local;
  TRY_ASSIGN(const real::Descriptor listener, real::listen_on(address));
  TRY_ASSIGN(const std::uint16_t port, real::port_of(listener));
  session.note("127.0.0.1:" + std::to_string(port) + " is " + session.arguments().operand(0) + ":" +
               std::to_string(ports->remote) + "; Ctrl-C ends it\n");
  TRY_ASSIGN(Remote* const remote, session.remote());
  static std::atomic<int> open = 0;  // outlives the threads that count in it
  while (session.terminal().pause({})) {
    if (open >= max_forwarded) {
      ::poll(nullptr, 0, look_ms);
      continue;
    }
    pollfd waiting{listener.get(), POLLIN, 0};
    if (::poll(&waiting, 1, look_ms) <= 0) continue;
    real::Descriptor accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!accepted) continue;
    auto connection = remote->upgrade(target, text);
    if (!connection) {
      session.note("bessemer: " + printable(to_text(connection.error())) + "\n");
      continue;
    }
    ++open;
    std::thread([local = std::move(accepted), passed = *std::move(connection)]() mutable {
      serve_one(local, std::move(passed));
      --open;
    }).detach();
  }
  return 0;
}

}  // namespace bessemer::cli
