// The supervisor's parts by themselves: masks, logs, records, voices, filters, device rules.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "compute/executor/lines.h"
#include "compute/executor/supervisor/cgroup.h"
#include "compute/executor/supervisor/environment.h"
#include "compute/executor/supervisor/files.h"
#include "compute/executor/supervisor/logs.h"
#include "compute/executor/supervisor/mask.h"
#include "compute/executor/supervisor/records.h"
#include "compute/executor/supervisor/seccomp.h"
#include "compute/executor/supervisor/site.h"
#include "compute/executor/supervisor/storage.h"

namespace bessemer::executor {
namespace {

struct Place {
  std::string path;
  Fd directory;
  Place() {
    char name[] = "/tmp/bessemer-supervisor-XXXXXX";
    path = ::mkdtemp(name);
    directory = Fd(::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~Place() { std::filesystem::remove_all(path); }
};

// However the stream is cut, what comes out is the stream with each secret replaced.
TEST(Mask, HidesSecretsAcrossPieces) {
  const std::string secret = "aaab-aaac";
  const std::string text = "x aaab-aaac y aaab-aaab-aaac aaab-aaa\nend aaab";
  const std::string masked = "x [secret] y aaab-[secret] aaab-aaa\nend aaab";
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    Mask mask;
    mask.hide(secret);
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t n = 1 + random.below(7);
      out += mask.pass(std::string_view(text).substr(at, n));
      EXPECT_EQ(out.find(secret), std::string::npos);
      at += n;
    }
    out += mask.finish();
    ASSERT_EQ(out, masked) << "seed " << seed;
  }
}

TEST(Mask, HidesEachLineOfASecretAndTheLongerOfTwo) {
  Mask mask;
  mask.hide("-----BEGIN\nshort\nMIIEvQIBADANBg\n");
  mask.hide("MIIEvQIBADANBgkqhkiG");
  EXPECT_EQ(mask.pass("MIIEvQIBADANBgkqhkiG MIIEvQIBADANBg. short -----BEGIN\n") + mask.finish(),
            "[secret] [secret]. short [secret]\n");
  Mask none;
  EXPECT_EQ(none.pass("anything"), "anything") << "nothing is kept back without a secret";
}

TEST(Log, KeepsTheFirstHalfAndTheLatest) {
  const Place place;
  constexpr std::uint64_t limit = 4096;
  std::string whole;
  Log log(place.directory.get(), "stdout", limit);
  Random random(7);
  while (whole.size() < 20'000) {
    const std::string piece(1 + random.below(900), static_cast<char>('a' + random.below(26)));
    whole += piece;
    log.append(piece);
    std::uint64_t kept = 0;
    for (const auto& entry : std::filesystem::directory_iterator(place.path)) {
      const std::string name = entry.path().filename();
      const std::uint64_t offset = std::stoull(name.substr(name.find('.') + 1));
      std::ifstream in(entry.path());
      const std::string bytes((std::istreambuf_iterator<char>(in)), {});
      EXPECT_EQ(whole.substr(offset, bytes.size()), bytes);
      kept += bytes.size();
    }
    EXPECT_LE(kept, limit);
    EXPECT_GE(kept, std::min<std::uint64_t>(whole.size(), limit * 3 / 4));
  }
  EXPECT_EQ(log.size(), whole.size());
}

struct LineCase {
  const char* line;
  const char* refused;  // nullptr: accepted
};

TEST(Lines, RefuseNonsenseInWords) {
  const std::string long_line = "{\"metrics\": {\"a\": 1}}" + std::string(5000, ' ');
  const LineCase table[] = {
      {"", "expected an object"},
      {"[]", "expected an object"},
      {"{}", "expected a name"},
      {"{\"other\": {}}", "must be one of"},
      {"{\"metrics\": {}}", "holds no metric"},
      {"{\"metrics\": {\"step\": 1}}", "holds no metric"},
      {"{\"metrics\": {\"step\": 1.5, \"a\": 1}}", "integer"},
      {"{\"metrics\": {\"a\": \"1\"}}", "a number"},
      {"{\"metrics\": {\"a\": 1e999}}", "finite"},
      {"{\"metrics\": {\"a\": 01}}", "a number"},
      {"{\"metrics\": {\"a\": .5}}", "a number"},
      {"{\"metrics\": {\"a\": 1, \"a\": 2}}", "twice"},
      {"{\"metrics\": {\"a\\u0041\": 1}}", "backslash"},
      {"{\"metrics\": {\"a\": 1}", "end of the object"},
      {"{\"metrics\": {\"a\": 1}} x", "end of the object"},
      {"{\"checkpoint\": {\"at\": 1}}", "step"},
      {"{\"progress\": {\"done\": 1}}", "needs"},
      {"{\"progress\": {\"done\": -1, \"of\": 2}}", "from 0 up"},
      {long_line.c_str(), "4096"},
      {"{\"checkpoint\": {}}", nullptr},
      {"{\"checkpoint\": {\"step\": -3}}", nullptr},
      {" {\"progress\" : {\"done\": 0, \"of\": 0} } ", nullptr},
      {"{\"metrics\": {\"step\": 10, \"loss\": -2.5e-3}}", nullptr},
  };
  for (const auto& row : table) {
    const auto said = parse_said(row.line);
    ASSERT_EQ(said.has_value(), row.refused == nullptr) << row.line;
    if (row.refused != nullptr) {
      EXPECT_NE(to_text(said.error()).find(row.refused), std::string::npos)
          << row.line << " -> " << to_text(said.error());
    }
  }
  const auto metrics = parse_metrics("{\"step\": 10, \"loss\": -2.5e-3, \"n\": 3}");
  ASSERT_TRUE(metrics.has_value());
  EXPECT_EQ(*metrics, (Metrics{.step = 10, .values = {{"loss", -2.5e-3}, {"n", 3}}}));
}

// Random damage to a good line: never a crash, and what is accepted is finite.
TEST(Lines, SurviveDamage) {
  const std::string good = "{\"metrics\": {\"step\": 10, \"loss\": 2.5e-3, \"acc\": 0.75}}";
  for (std::uint64_t seed = 1; seed <= 5000; ++seed) {
    Random random(seed);
    std::string line = good;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
      line[random.below(line.size())] = static_cast<char>(random.below(256));
    }
    const auto said = parse_said(line);
    if (!said) continue;
    const auto* metrics = std::get_if<Metrics>(&*said);
    ASSERT_NE(metrics, nullptr);
    for (const auto& [name, value] : metrics->values) EXPECT_TRUE(std::isfinite(value)) << line;
  }
}

TEST(Records, AreReadBackAndDamageIsNotWritten) {
  const Place place;
  wire::StartRecord start;
  start.key = {TaskId{1, 2}, 3};
  start.at = Instant{10};
  auto records = Records::begin(place.directory.get(), start);
  ASSERT_TRUE(records.has_value());
  EXPECT_EQ(Records::begin(place.directory.get(), start).error().code, Code::conflict);
  for (std::uint64_t n = 0; n < 5; ++n) {
    ASSERT_TRUE(records->heartbeat({.at = Instant{100}, .number = n}, n % 2 == 0).has_value());
  }
  wire::ExitRecord end{Instant{200}, {.reason = ExitReason::signal,
                                      .message = std::string(limits::message_bytes, 'm')}};
  ASSERT_TRUE(records->exit(end).has_value());
  const std::string bytes = *read_text(place.directory.get(), "records");
  ASSERT_EQ(bytes.size(), wire::records_bytes);
  std::string_view at = std::string_view(bytes).substr(wire::slot_exit);
  const auto exit = codec::decode<wire::ExitRecord>(*wire::unframe(at));
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->exited, end.exited);
  // One flipped bit anywhere in the frame: not a record.
  for (std::size_t i = 0; i < 64; ++i) {
    std::string damaged = bytes.substr(wire::slot_exit);
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    std::string_view from = damaged;
    const auto frame = wire::unframe(from);
    EXPECT_FALSE(frame.has_value()) << i;
  }
}

// The filter, run by hand over every call number: what classic BPF would answer.
std::uint32_t judge(const std::vector<sock_filter>& code, const seccomp_data& call) {
  std::uint32_t loaded = 0;
  for (std::size_t at = 0; at < code.size(); ++at) {
    const sock_filter& step = code[at];
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&loaded, reinterpret_cast<const char*>(&call) + step.k, 4);
        break;
      case BPF_ALU | BPF_AND | BPF_K: loaded &= step.k; break;
      case BPF_JMP | BPF_JEQ | BPF_K: at += loaded == step.k ? step.jt : step.jf; break;
      case BPF_JMP | BPF_JGE | BPF_K: at += loaded >= step.k ? step.jt : step.jf; break;
      case BPF_JMP | BPF_JSET | BPF_K: at += (loaded & step.k) != 0 ? step.jt : step.jf; break;
      case BPF_RET | BPF_K: return step.k;
      default: ADD_FAILURE() << "unknown step"; return 0;
    }
  }
  ADD_FAILURE() << "ran off the end";
  return 0;
}

TEST(Seccomp, AnswersEachCallAsMeant) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "the table is of x86_64";
#endif
  const auto filter = task_filter();
  const auto answer = [&](std::uint32_t number, std::uint64_t a0 = 0, std::uint64_t a1 = 0,
                          std::uint64_t a2 = 0) {
    seccomp_data call{};
    call.arch = AUDIT_ARCH_X86_64;
    call.nr = static_cast<int>(number);
    call.args[0] = a0;
    call.args[1] = a1;
    call.args[2] = a2;
    return judge(filter, call);
  };
  constexpr std::uint32_t allow = SECCOMP_RET_ALLOW;
  const auto refused = [](int why) { return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(why); };
  for (const std::uint32_t fine : {__NR_read, __NR_write, __NR_mmap, __NR_futex, __NR_execve,
                                   __NR_openat, __NR_rseq, __NR_mbind, __NR_getrandom, 452}) {
    EXPECT_EQ(answer(fine), allow) << fine;
  }
  for (const std::uint32_t bad : {__NR_mount, __NR_ptrace, __NR_bpf, __NR_setns, __NR_keyctl,
                                  __NR_unshare, 425, 442, __NR_kexec_load}) {
    EXPECT_EQ(answer(bad), refused(EPERM)) << bad;
  }
  EXPECT_EQ(answer(435), refused(ENOSYS));
  EXPECT_EQ(answer(457), refused(ENOSYS)) << "newer than the filter";
  EXPECT_EQ(answer(600), refused(ENOSYS));
  EXPECT_EQ(answer(0x40000001), refused(ENOSYS)) << "x32";
  EXPECT_EQ(answer(__NR_clone, SIGCHLD), allow);
  EXPECT_EQ(answer(__NR_clone, SIGCHLD | CLONE_NEWUSER), refused(EPERM));
  EXPECT_EQ(answer(__NR_mknod, 0, S_IFIFO | 0600), allow);
  EXPECT_EQ(answer(__NR_mknod, 0, S_IFBLK | 0600), refused(EPERM));
  EXPECT_EQ(answer(__NR_mknodat, 0, 0, S_IFCHR | 0600), refused(EPERM));
  EXPECT_EQ(answer(__NR_personality, 0), allow);
  EXPECT_EQ(answer(__NR_personality, 0xffffffff), allow);
  EXPECT_EQ(answer(__NR_personality, 0x0040000), refused(EPERM));
  EXPECT_EQ(answer(__NR_ioctl, 0, 0x5412), refused(EPERM));
  EXPECT_EQ(answer(__NR_ioctl, 0, 0x5413), allow);
  EXPECT_EQ(answer(__NR_socket, AF_UNIX), allow);
  EXPECT_EQ(answer(__NR_socket, AF_INET6), allow);
  EXPECT_EQ(answer(__NR_socket, 40), refused(EAFNOSUPPORT));
  seccomp_data foreign{};
  foreign.arch = AUDIT_ARCH_I386;
  foreign.nr = 4;
  EXPECT_EQ(judge(filter, foreign), refused(ENOSYS)) << "32-bit calls";
}

// The v2 device program works on any v2 tree, also beside v1 controllers.
TEST(DeviceFilter, LetsOnlyTheListThrough) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: device programs are loaded by root only";
  wire::Site site;
  site.privileged = true;
  find_cgroups(site);
  if (site.unified.empty()) GTEST_SKIP() << "no cgroup v2 tree here";
  const std::string path = site.unified + "/device-filter-test";
  ASSERT_TRUE(::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST);
  const Fd cgroup(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto attached = attach_device_filter(cgroup.get(), {{1, 3}, {136, -1}});
  if (!attached) {
    ::rmdir(path.c_str());
    GTEST_SKIP() << "no device programs here: " << to_text(attached.error());
  }
  const int pid = ::fork();
  if (pid == 0) {
    (void)write_control(AT_FDCWD, path + "/cgroup.procs", std::to_string(::getpid()));
    const bool listed = ::open("/dev/null", O_RDWR) >= 0;
    const bool other = ::open("/dev/zero", O_RDONLY) >= 0;
    ::_exit((listed ? 1 : 0) | (other ? 2 : 0));
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(::rmdir(path.c_str()), 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1) << "only /dev/null opens";
}

TEST(Storage, CountsFilesAndRefusesWhatCannotBeCounted) {
  const Place place;
  std::ofstream(place.path + "/large") << std::string(100'000, 'x');
  std::filesystem::create_directories(place.path + "/a/b");
  std::filesystem::create_symlink("/usr", place.path + "/a/link");
  const std::uint64_t used = disk_usage(place.path, 1 << 30);
  EXPECT_GE(used, 100'000u);
  EXPECT_LT(used, 150'000u) << "links are not followed";
  std::string deep = place.path;
  for (int i = 0; i < 70; ++i) deep += "/d";
  std::filesystem::create_directories(deep);
  EXPECT_GT(disk_usage(place.path, 1 << 20), 1u << 20);
}

TEST(Environment, DeclaredVariablesCannotLie) {
  TaskSpec spec;
  spec.key = {TaskId{1, 2}, 3};
  spec.environment = {{"PATH", "/opt/bin"}, {"HOME", "/root"}, {"BESSEMER_GENERATION", "9"}};
  spec.resources.cpu_millis = 2500;
  const auto all = task_environment(spec, {});
  const auto has = [&](std::string_view line) {
    return std::find(all.begin(), all.end(), line) != all.end();
  };
  EXPECT_TRUE(has("PATH=/opt/bin"));
  EXPECT_TRUE(has("HOME=/tmp/home"));
  EXPECT_TRUE(has("BESSEMER_GENERATION=3"));
  EXPECT_TRUE(has("BESSEMER_CPUS=2.500"));
  EXPECT_TRUE(has("OMP_NUM_THREADS=3"));
  EXPECT_TRUE(has("CUDA_VISIBLE_DEVICES="));
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
}

TEST(Site, SurvivesTheEnvironment) {
  wire::Site site = find_site({.namespaces = true, .cgroups = true});
  EXPECT_FALSE(site.privileged);
  EXPECT_EQ(site.limits, wire::Limits::none);
  const std::string variable = site_variable(site);
  ::setenv("BESSEMER_SITE", variable.substr(variable.find('=') + 1).c_str(), 1);
  const auto back = site_from_environment();
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->missing, site.missing);
  EXPECT_EQ(back->boot_id, site.boot_id);
  EXPECT_EQ(back->host_trees, site.host_trees);
}

}  // namespace
}  // namespace bessemer::executor
