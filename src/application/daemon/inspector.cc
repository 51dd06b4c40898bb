// The thread that reads whole datasets.
#include "application/daemon/inspector.h"

#include "data/artifact/read_tree.h"

namespace bessemer::daemon {
namespace {

// Hands the bytes of a tree to an inspection.
class Reader final : public artifact::TreeReader {
 public:
  explicit Reader(const dataset::Schema& schema) : inspection_(schema) {}
  void begin_file(std::string_view path) override { inspection_.begin_file(path); }
  void add(std::string_view bytes) override { inspection_.add(bytes); }
  void end_file() override { inspection_.end_file(); }
  dataset::Validation finish() { return inspection_.finish(); }

 private:
  dataset::Inspection inspection_;
};

}  // namespace

struct Readings::Open {
  Open(const artifact::Store& store, Asked wanted)
      : then(std::move(wanted.then)), reader(wanted.schema),
        reading(store, wanted.tenant, wanted.tree, reader) {}

  // Nothing while there is more to read.
  std::optional<Result<dataset::Validation>> turn(std::span<char> room) {
    for (int i = 0; i < pieces_per_turn; ++i) {
      const auto more = reading.step(room);
      if (!more) return more.error();
      if (!*more) return reader.finish();
    }
    return {};
  }

  std::function<void(Result<dataset::Validation>)> then;
  Reader reader;
  artifact::TreeReading reading;
};

Readings::Readings(const artifact::Store& store) : store_(store), room_(piece_bytes, '\0') {}
Readings::~Readings() = default;

void Readings::add(Asked asked) {
  open_.push_back(std::make_unique<Open>(store_, std::move(asked)));
}

std::optional<Readings::Done> Readings::turn() {
  if (open_.empty()) return {};
  std::unique_ptr<Open> one = std::move(open_.front());
  open_.pop_front();
  auto found = one->turn(room_);
  if (found) return Done{std::move(one->then), *std::move(found)};
  open_.push_back(std::move(one));
  return {};
}

Inspector::Inspector(const artifact::Store& store, real::Loop& loop)
    : loop_(loop), readings_(store), thread_([this] { run(); }) {}

Inspector::~Inspector() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Inspector::post(Readings::Asked asked) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(asked));
  }
  wake_.notify_one();
}

// What is not read to its end when the process ends is read at the next start.
void Inspector::run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !posted_.empty() || !readings_.empty(); });
      if (stop_) return;
      for (; !posted_.empty(); posted_.pop_front()) readings_.add(std::move(posted_.front()));
    }
    if (auto done = readings_.turn()) {
      const auto kept = std::make_shared<Readings::Done>(*std::move(done));
      loop_.post([kept] { kept->then(std::move(kept->found)); });
    }
  }
}

}  // namespace bessemer::daemon
