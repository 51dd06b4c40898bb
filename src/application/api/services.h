// What handlers reach beyond the state: the daemon owns all of it.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "application/api/events.h"
#include "application/api/gateway_standing.h"
#include "application/conductor/conductor.h"
#include "application/engine/engine.h"
#include "base/zone.h"
#include "compute/executor/executor.h"
#include "data/artifact/store.h"
#include "governance/secret/people.h"
#include "governance/secret/vault.h"
#include "world/real/loop.h"
#include "world/world.h"

namespace bessemer::api {

// The thread that alone touches the artifact store. A job runs there; what it returns runs on the
// loop's thread.
struct StoreQueue {
  using Then = std::function<void()>;
  using Job = std::function<Then(artifact::Store&)>;
  virtual ~StoreQueue() = default;
  virtual void post(Job job) = 0;
  virtual std::size_t waiting() const = 0;
  // What the store keeps of uploads, for the loop's thread: who may go on with one, which blobs a
  // project may name, and what counts against its quota before it is published.
  std::map<UploadId, artifact::Upload> uploads;
};

// What tasks printed, while they run and afterwards.
struct LogPiece {
  std::string bytes;
  std::uint64_t next = 0;  // read on from here
  std::uint64_t size = 0;  // of the stream so far
};
enum class Stream : std::uint8_t { output, errors };
struct LogSource {
  virtual ~LogSource() = default;
  // Errors: not_found (nothing was kept).
  virtual Result<LogPiece> read(const executor::TaskKey& key, Stream stream, std::uint64_t offset,
                                std::size_t most) = 0;
};

// How often each route was answered and refused, by its place in routes().
struct RouteCount {
  std::uint64_t answered = 0, refused = 0;
};

// What the daemon tells of itself beyond the state.
struct Standing {
  virtual ~Standing() = default;
  virtual std::vector<GatewayStanding> gateways() const = 0;
  virtual executor::Capabilities isolation() const = 0;  // of this machine's tasks
  virtual std::uint64_t lost_metrics() const = 0;        // lines of metrics that could not be kept
  // The offsets of an IANA zone, as this machine knows them. Errors: not_found.
  virtual Result<Zone> zone(std::string_view name) const = 0;
  // Ends the daemon in order; tasks go on.
  virtual void stop() = 0;
};

struct Doors;        // passage.h
class TaskSessions;  // task_session.h

// Everything lives as long as the Api.
struct Services {
  engine::Engine& engine;
  const world::Clock& clock;
  world::Entropy& entropy;
  conductor::Conductor& conductor;
  executor::Executor& executor;
  StoreQueue& store;
  secret::Vault& vault;
  secret::People& people;
  world::Disk& home;  // the state directory: metric series below runs/
  LogSource& logs;
  Doors& doors;
  EventHub& events;
  real::Loop& loop;
  Standing& standing;
  const std::vector<RouteCount>* counts = nullptr;  // set by the Api
  TaskSessions* sessions = nullptr;                 // set by the Api
};

}  // namespace bessemer::api
