// What a task cannot reach, what it is given in secret, and how others reach into it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>

#include "compute/executor/local/harness.h"

namespace bessemer::executor::testing {
namespace {

namespace fs = std::filesystem;

// The source tree, from the place of the running program.
fs::path source_root() {
  fs::path at = fs::read_symlink("/proc/self/exe").parent_path();
  while (!fs::exists(at / "tests/hostile/hostile.py") && at != at.parent_path()) {
    at = at.parent_path();
  }
  return at;
}

std::string contents(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

// Listens on the machine's own loopback; answers its port.
std::pair<Fd, std::uint16_t> host_listener() {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::listen(socket.get(), 8);
  socklen_t length = sizeof address;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length);
  return {std::move(socket), ntohs(address.sin_port)};
}

Fd abstract_listener(const std::string& name) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), address.sun_path + 1);
  ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address),
         static_cast<socklen_t>(sizeof(sa_family_t) + 1 + name.size()));
  ::listen(socket.get(), 8);
  return socket;
}

bool has_sandbox(Runner& runner) {
  for (const auto& one : runner->capabilities().missing) {
    if (one.find("no file system") != std::string::npos) return false;
  }
  return true;
}

TEST(Sandbox, AHostileJobGetsNowhere) {
  const Place place, other_tenant;
  Runner runner(place);
  if (!has_sandbox(runner)) GTEST_SKIP() << "no namespaces here: there is no sandbox to test";
  place.write("code/hostile.py", contents(source_root() / "tests/hostile/hostile.py"));
  other_tenant.write("theirs.txt", "private");
  const auto [listener, port] = host_listener();
  const Fd abstract = abstract_listener("bessemer-hostile-test");
  TaskSpec spec = script("");
  spec.argv = {"python3", "hostile.py"};
  spec.code = place.path() + "/code";
  spec.resources.pids = 60;
  spec.environment = {{"HOST_PORT", std::to_string(port)},
                      {"HOST_ABSTRACT", "bessemer-hostile-test"},
                      {"STATE", place.path()},
                      {"FOREIGN", other_tenant.path() + "/theirs.txt"},
                      {"PIDS", "60"},
                      {"SCRATCH", std::to_string(spec.resources.scratch_bytes)}};
  const bool limited = runner->capabilities().limits != "none";
  if (!limited) {
    spec.environment["PIDS"] = "0";
    std::printf("no cgroups here: nothing bounds the number of processes\n");
  }
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  const auto exited = runner.wait_for<Exited>(spec.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->exit_code, 0) << exited->message << runner.output(spec.key, Output::error);
  const std::string said = runner.output(spec.key);
  std::istringstream lines(said);
  int held = 0;
  for (std::string line; std::getline(lines, line);) {
    held += line.starts_with("held:");
    const bool excused = !limited && line.find("processes") != std::string::npos;
    EXPECT_FALSE(line.starts_with("BREACH") && !excused) << line;
    EXPECT_FALSE(line.starts_with("UNTRIED")) << line;
  }
  EXPECT_GT(held, 110) << said;
  if (::getenv("BESSEMER_SHOW") != nullptr) std::printf("%s", said.c_str());
  EXPECT_TRUE(said.ends_with("done\n")) << said;
}

TEST(Sandbox, DeliversSecretsInMemoryAndMasksThem) {
  const Place place;
  Runner runner(place);
  if (!has_sandbox(runner)) GTEST_SKIP() << "no namespaces here: secrets are refused";
  const std::string planted = "pl4nted-s3cret-value";
  TaskSpec spec = script(
      "cat /run/secrets/token; echo; cat /run/secrets/token >&2; stat -c %a /run/secrets/token;"
      "env; cat /proc/self/cmdline | tr '\\0' ' '");
  spec.outputs = place.make("outputs");
  std::vector<TaskSecret> secrets;
  secrets.push_back({"token", Secret(planted)});
  ASSERT_TRUE(runner->start(spec, std::move(secrets)).has_value());
  ASSERT_TRUE(runner.wait_for<Exited>(spec.key).has_value());
  const std::string said = runner.output(spec.key);
  EXPECT_TRUE(said.starts_with("[secret]\n400\n")) << said;
  EXPECT_EQ(runner.output(spec.key, Output::error), "[secret]");
  // Nowhere in the state directory: not in the spec, the records, the logs, the spool.
  for (const auto& entry : fs::recursive_directory_iterator(place.path() + "/tasks")) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(contents(entry.path()).find(planted), std::string::npos) << entry.path();
  }
}

TEST(Sandbox, RunsThePythonAndNodeOfTheHost) {
  const Place place;
  Runner runner(place);
  TaskSpec spec = script(
      "/usr/bin/python3 -c 'import ssl, ctypes, multiprocessing as m; m.Lock(); print(1)'\n"
      "if [ -x /usr/bin/node ]; then /usr/bin/node -e 'console.log(2)'; else echo 2; fi\n"
      "id -un; hostname; ls -d $HOME");
  spec.resources.memory_bytes = 1 << 30;
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  ASSERT_TRUE(runner.wait_for<Exited>(spec.key).has_value());
  if (has_sandbox(runner)) {
    EXPECT_EQ(runner.output(spec.key), "1\n2\ntask\ntask\n/tmp/home\n")
        << runner.output(spec.key, Output::error);
  }
}

// Asks through a socket that leads into the task.
std::string ask(const Fd& socket) {
  const std::string_view request = "GET /who HTTP/1.0\r\n\r\n";
  pollfd ready{socket.get(), POLLIN, 0};
  std::string out;
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return out;
  char piece[4096];
  while (::poll(&ready, 1, 60'000) > 0) {
    const ssize_t got = ::recv(socket.get(), piece, sizeof piece, 0);
    if (got <= 0) break;
    out.append(piece, static_cast<std::size_t>(got));
  }
  return out;
}

constexpr const char* small_service = R"(exec python3 - <<'END'
import http.server, os
port = int(os.environ['BESSEMER_PORT'])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'inside ' + self.path.encode())
    def log_message(self, *a):
        pass
http.server.ThreadingHTTPServer(('127.0.0.1', port), Answer).serve_forever()
END)";

TEST(Sandbox, ServicesAreReachedOnlyThroughTheSupervisor) {
  const Place place;
  Runner runner(place);
  // Two services at the same port: each in a network of its own.
  TaskSpec first = script(small_service, 1), second = script(small_service, 2);
  first.service_port = 8000;
  second.service_port = 8000;
  if (!has_sandbox(runner)) second.service_port = 8001;
  for (const auto& spec : {first, second}) {
    ASSERT_TRUE(runner->start(spec, {}).has_value());
    const auto health = runner.wait_for<Health>(spec.key);
    ASSERT_TRUE(health.has_value()) << runner.output(spec.key, Output::error);
    EXPECT_TRUE(health->ready);
  }
  // The daemon's way.
  auto asked = runner->connect(first.key, 8000);
  ASSERT_TRUE(asked.has_value());
  pollfd ready{asked->get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 60'000), 1);
  auto socket = LocalExecutor::take_connection(asked->get());
  ASSERT_TRUE(socket.has_value()) << to_text(socket.error());
  EXPECT_NE(ask(*socket).find("inside /who"), std::string::npos);
  // The gateway's way: any packet at the door `service`.
  const Fd directory(::open(runner->directory_of(second.key).c_str(), O_RDONLY | O_DIRECTORY));
  auto door = connect_at(directory.get(), "service", SOCK_SEQPACKET);
  ASSERT_TRUE(door.has_value()) << to_text(door.error());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(send_packet(door->get(), "?").has_value());
    Packet packet;
    ASSERT_EQ(take_packet(door->get(), packet), Taken::packet);
    ASSERT_EQ(packet.fds.size(), 1u) << packet.bytes;
    EXPECT_NE(ask(packet.fds[0]).find("inside /who"), std::string::npos);
  }
  if (has_sandbox(runner)) {
    const Fd outside(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(8000);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_NE(::connect(outside.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
        << "a replica can be reached around the meter";
  }
  // A port where nobody listens.
  asked = runner->connect(first.key, 9);
  ASSERT_TRUE(asked.has_value());
  ready.fd = asked->get();
  ASSERT_EQ(::poll(&ready, 1, 60'000), 1);
  EXPECT_FALSE(LocalExecutor::take_connection(asked->get()).has_value());
  for (const auto& spec : {first, second}) {
    ASSERT_TRUE(runner->stop(spec.key, "test over", {}).has_value());
    ASSERT_TRUE(runner.wait_for<Exited>(spec.key).has_value());
  }
}

// Members of one gang meet on their loopback; nobody else is there.
TEST(Sandbox, AGangSharesALoopbackOfItsOwn) {
  const Place place;
  Runner runner(place);
  if (!runner->capabilities().privileged) GTEST_SKIP() << "gangs on one machine need root";
  const std::string first = R"(exec python3 - <<'END'
import os, socket
s = socket.create_server(('127.0.0.1', int(os.environ['MASTER_PORT'])))
open(os.environ['BESSEMER_METRICS'], 'a').write('{"ready": 1}\n')
print(s.accept()[0].recv(9).decode())
END)";
  const std::string second = R"(exec python3 - <<'END'
import os, socket
s = socket.create_connection(('127.0.0.1', int(os.environ['MASTER_PORT'])))
s.sendall(b'hello ' + os.environ['RANK'].encode())
END)";
  TaskSpec members[] = {script(first, 1), script(second, 2), script(second, 3)};
  for (std::uint32_t rank = 0; rank < 3; ++rank) {
    members[rank].workload = WorkloadId{1, rank < 2 ? 1u : 2u};  // the third: another gang
    members[rank].rank = Rank{.rank = rank, .world_size = 2, .master_address = "127.0.0.1",
                              .master_port = 29500};
  }
  ASSERT_TRUE(runner->start(members[0], {}).has_value());
  ASSERT_TRUE(runner.wait_for<Metrics>(members[0].key).has_value());
  ASSERT_TRUE(runner->start(members[2], {}).has_value());
  const auto stranger = runner.wait_for<Exited>(members[2].key);
  ASSERT_TRUE(stranger.has_value());
  EXPECT_EQ(stranger->exit_code, 1) << "another gang reached this one";
  ASSERT_TRUE(runner->start(members[1], {}).has_value());
  const auto met = runner.wait_for<Exited>(members[0].key);
  ASSERT_TRUE(met.has_value());
  EXPECT_EQ(met->exit_code, 0);
  EXPECT_EQ(runner.output(members[0].key), "hello 1\n");
  ASSERT_TRUE(runner.wait_for<Exited>(members[1].key).has_value());
}

// The ways taken where less is to be had, walked on purpose.
TEST(Sandbox, StrictRefusesAndRelaxedSaysWhatIsMissing) {
  const Place place;
  Runner runner(place, {"--without=namespaces", "--without=cgroups"});
  ASSERT_EQ(runner.error(), "");
  EXPECT_FALSE(runner->capabilities().privileged);
  EXPECT_EQ(runner->capabilities().limits, "none");
  EXPECT_GE(runner->capabilities().missing.size(), 3u);
  TaskSpec spec = script("cat main.txt; cat $BESSEMER_INPUTS/data/x; echo $BESSEMER_TASK; "
                         "echo '{\"loss\": 2}' >> $BESSEMER_METRICS; sleep 1000 & exit 6");
  place.write("code/main.txt", "code\n");
  place.write("data/x", "input\n");
  spec.code = place.path() + "/code";
  spec.inputs = {{"data", place.path() + "/data"}};
  spec.isolation = Isolation::strict;
  const auto refused = runner->start(spec, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "isolation_missing");
  EXPECT_NE(refused.error().what.find("no cgroup limits"), std::string::npos);
  spec.isolation = Isolation::relaxed;
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  const auto started = runner.wait_for<Started>(spec.key);
  ASSERT_TRUE(started.has_value());
  EXPECT_EQ(started->missing_isolation, runner->capabilities().missing);
  const auto exited = runner.wait_for<Exited>(spec.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->reason, ExitReason::exit_code) << exited->message;
  EXPECT_EQ(exited->exit_code, 6);
  EXPECT_EQ(runner.output(spec.key), "code\ninput\n" + to_text(spec.key.task) + "\n");
  EXPECT_TRUE(runner.wait_for<Metrics>(spec.key).has_value());
  // Secrets have no place of their own here.
  TaskSpec secret = script("true", 2);
  secret.isolation = Isolation::relaxed;
  std::vector<TaskSecret> secrets;
  secrets.push_back({"token", Secret("abcdefgh")});
  ASSERT_TRUE(runner->start(secret, std::move(secrets)).has_value());
  const auto failed = runner.wait_for<Exited>(secret.key);
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->reason, ExitReason::failed_to_start);
}

// Everything again without root: the sandbox is then made in a user namespace.
TEST(Sandbox, AnOrdinaryUserHasItToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "this is an ordinary user already";
  const Place copy;
  ::chmod(copy.path().c_str(), 0755);
  const fs::path here = fs::read_symlink("/proc/self/exe");
  fs::copy(here, copy.path() + "/the_test");
  fs::copy(supervisor_program(), copy.path() + "/bessemer-supervisor");
  copy.make("tests/hostile");
  fs::copy(source_root() / "tests/hostile/hostile.py", copy.path() + "/tests/hostile/");
  std::string words[] = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                         copy.path() + "/the_test", "--gtest_brief=1"};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  ASSERT_EQ(::posix_spawnp(&pid, "setpriv", nullptr, nullptr, argv.data(), environ), 0);
  int status = -1;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

// The daemon gives up root; its launcher keeps it. Records and outputs are the daemon's.
TEST(Sandbox, ADaemonWithoutRootHasAPrivilegedLauncher) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to give it up";
  constexpr unsigned nobody = 65534;
  const Place place;
  ASSERT_EQ(::chown(place.path().c_str(), nobody, nobody), 0);
  LocalOptions options;
  options.supervisor = supervisor_program();
  auto launcher = start_launcher(options);
  ASSERT_TRUE(launcher.has_value());
  ASSERT_EQ(::setegid(nobody), 0);
  ASSERT_EQ(::seteuid(nobody), 0);
  {
    Runner runner(place, {}, std::move(*launcher));
    TaskSpec spec = script("id -u; echo x > $BESSEMER_OUTPUTS/m/x; ls -ln $BESSEMER_OUTPUTS/m/x");
    spec.uid = first_uid;
    spec.outputs = place.make("outputs");
    spec.output_names = {"m"};
    EXPECT_TRUE(runner->capabilities().privileged);
    EXPECT_TRUE(runner->start(spec, {}).has_value());
    const auto exited = runner.wait_for<Exited>(spec.key);
    EXPECT_TRUE(exited.has_value() && exited->exit_code == 0);
    EXPECT_TRUE(runner.output(spec.key).starts_with(std::to_string(first_uid) + "\n"))
        << runner.output(spec.key) << runner.output(spec.key, Output::error);
    EXPECT_EQ(place.read("outputs/m/x"), "x\n");
    EXPECT_TRUE(runner->forget(spec.key).has_value());
    EXPECT_FALSE(fs::exists(runner->directory_of(spec.key)));
  }
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_EQ(::setegid(0), 0);
}

// Where the file system cannot map owners, files change hands and come back.
TEST(Sandbox, WorksWithoutMappedOwners) {
  if (::geteuid() != 0) GTEST_SKIP() << "an ordinary user maps no owners anyway";
  const Place place;
  Runner runner(place, {"--without=id_maps"});
  TaskSpec spec = script("cat $BESSEMER_CHECKPOINTS/old && echo y > $BESSEMER_OUTPUTS/m/y && "
                         "mkdir $BESSEMER_CHECKPOINTS/d && echo z > $BESSEMER_CHECKPOINTS/d/z");
  spec.outputs = place.make("outputs");
  spec.output_names = {"m"};
  place.write("checkpoints/old", "kept\n");
  ::chmod((place.path() + "/checkpoints/old").c_str(), 0600);
  spec.checkpoints = place.path() + "/checkpoints";
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  const auto exited = runner.wait_for<Exited>(spec.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->exit_code, 0) << exited->message << runner.output(spec.key, Output::error);
  EXPECT_EQ(runner.output(spec.key), "kept\n");
  for (const char* name : {"outputs/m/y", "checkpoints/d/z", "checkpoints/old"}) {
    struct stat about {};
    ASSERT_EQ(::stat((place.path() + "/" + name).c_str(), &about), 0) << name;
    EXPECT_EQ(about.st_uid, 0u) << name;
  }
}

TEST(Sandbox, EgressIsRefusedWhereItCannotBeHad) {
  const Place place;
  Runner runner(place);
  TaskSpec spec = script("true");
  spec.network = Network::egress;
  ASSERT_FALSE(runner->capabilities().egress);
  EXPECT_EQ(runner->start(spec, {}).error().field, "network");
}

}  // namespace
}  // namespace bessemer::executor::testing
