// Durable facts a second and recovery, on this machine's disk.
//
// Usage: bench_journal [DIRECTORY]   (default: a fresh directory below the working directory)
#include <fmt/core.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "journal/file_journal.h"
#include "journal/snapshot.h"
#include "world/real/clock.h"
#include "world/real/disk.h"
#include "world/real/entropy.h"

namespace {

using namespace bessemer;
using journal::Record;

constexpr std::size_t fact_bytes = 100;  // an envelope and a small body

double seconds_between(Duration from, Duration to) {
  return static_cast<double>((to - from).ns) * 1e-9;
}

// CPU seconds of this process, user and kernel.
double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

template <class T>
T must(Result<T> result, const char* doing) {
  if (!result) {
    fmt::print(stderr, "{}: {}\n", doing, to_text(result.error()));
    std::exit(1);
  }
  return std::move(*result);
}

struct Fold {
  std::uint64_t records = 0;
  std::uint64_t sum = 0;
};

std::unique_ptr<journal::Journal> open(world::Disk& disk, Fold& fold) {
  journal::Options options;
  real::RealEntropy().fill(std::as_writable_bytes(std::span(options.mark)));
  return must(journal::open_journal(disk, options,
                                    [&](const journal::Batch& batch) -> Result<void> {
                                      Record record;
                                      for (journal::Records each(batch.body); each.next(record);) {
                                        ++fold.records;
                                        fold.sum += record.type + record.bytes.size();
                                      }
                                      return {};
                                    }),
              "opening the journal");
}

struct Rate {
  double facts_per_second = 0;
  double cpu_per_fact_ns = 0;
  Duration p50, p99;
};

// As in the daemon: another thread prepares and compresses segments, every now and then.
class Helper {
 public:
  explicit Helper(journal::Journal& journal) : journal_(journal), thread_([this] { work(); }) {}
  ~Helper() {
    ticks_ = stop;
    ticks_.notify_one();
  }
  void tick() {
    if (++calls_ % 64 != 0) return;
    ++ticks_;
    ticks_.notify_one();
  }

 private:
  static constexpr std::uint64_t stop = ~std::uint64_t{0};
  void work() {
    for (std::uint64_t seen = 0; seen != stop; seen = ticks_) {
      while (must(journal_.maintain(), "maintaining")) {
      }
      ticks_.wait(seen);
    }
  }
  journal::Journal& journal_;
  std::uint64_t calls_ = 0;
  std::atomic<std::uint64_t> ticks_ = 0;
  std::jthread thread_;
};

// Commits `batches` of `facts` each, every one durable before the next begins.
Rate durable_rate(journal::Journal& journal, std::size_t facts, std::size_t batches,
                  Helper& helper) {
  const real::RealClock clock;
  const std::string bytes(fact_bytes, 'x');
  const std::vector<Record> group(facts, Record{1, bytes});
  std::vector<Duration> took(batches);
  const double cpu = cpu_seconds();
  const Duration begin = clock.since_boot();
  Duration last = begin;
  for (auto& each : took) {
    must(journal::append_now(journal, group), "committing");
    const Duration now = clock.since_boot();
    each = now - last;
    last = now;
    helper.tick();
  }
  std::sort(took.begin(), took.end());
  const double count = static_cast<double>(facts * batches);
  return {count / seconds_between(begin, last), (cpu_seconds() - cpu) / count * 1e9,
          took[batches / 2], took[batches * 99 / 100]};
}

void bench_appends(world::Disk& disk) {
  Fold none;
  const auto journal = open(disk, none);
  Helper helper(*journal);
  fmt::print("{:>8} {:>14} {:>12} {:>10} {:>10}\n", "batch", "facts/s", "cpu ns/fact", "p50 µs",
             "p99 µs");
  for (const std::size_t facts : {1u, 32u, 256u, 4096u}) {
    const std::size_t batches = std::clamp<std::size_t>(1'000'000 / facts, 200, 10'000);
    const Rate rate = durable_rate(*journal, facts, batches, helper);
    fmt::print("{:>8} {:>14.0f} {:>12.0f} {:>10.0f} {:>10.0f}\n", facts, rate.facts_per_second,
               rate.cpu_per_fact_ns, static_cast<double>(rate.p50.ns) * 1e-3,
               static_cast<double>(rate.p99.ns) * 1e-3);
  }
}

void bench_recovery(world::Disk& disk) {
  const real::RealClock clock;
  Fold fold;
  const double cpu = cpu_seconds();
  const Duration begin = clock.since_boot();
  open(disk, fold);
  const double took = seconds_between(begin, clock.since_boot());
  fmt::print("recovery: {} facts in {:.3f} s = {:.0f} facts/s, {:.0f} cpu ns/fact\n", fold.records,
             took, static_cast<double>(fold.records) / took,
             (cpu_seconds() - cpu) / static_cast<double>(fold.records) * 1e9);
  const Duration audit_begin = clock.since_boot();
  const auto audit = must(journal::audit_journal(disk, "journal"), "auditing");
  check(audit.fault.empty() && audit.head.sequence == fold.records);
  fmt::print("audit: {} batches in {:.3f} s, the chain holds\n", audit.batches,
             seconds_between(audit_begin, clock.since_boot()));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string top = argc > 1 ? argv[1] : "bench_journal." + std::to_string(::getpid());
  utsname machine{};
  ::uname(&machine);
  fmt::print("bench_journal {}\n{}, {} cores, {} {}; {} bytes a fact, one core for the journal\n",
             top, processor(), std::thread::hardware_concurrency(), machine.sysname,
             machine.release, fact_bytes);
  const auto disk = must(real::RealDisk::open_root(top), "opening the directory");
  const real::RealClock clock;
  Fold none;
  const Duration begin = clock.since_boot();
  open(*disk, none);
  fmt::print("a new journal opens in {:.1f} ms\n", seconds_between(begin, clock.since_boot()) * 1e3);
  bench_appends(*disk);
  bench_recovery(*disk);
  if (argc < 2) std::filesystem::remove_all(top);
  return 0;
}
