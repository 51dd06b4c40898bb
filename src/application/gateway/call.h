// One governed call of a model: held for, asked of a replica, relayed, settled.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "application/gateway/assembly.h"
#include "application/gateway/bounds.h"
#include "application/gateway/catalogue.h"
#include "application/gateway/claims.h"
#include "application/gateway/event_meter.h"
#include "application/gateway/till.h"
#include "application/gateway/upstream_call.h"
#include "application/http/problem.h"
#include "application/server/server.h"
#include "world/world.h"

namespace bessemer::gateway {

constexpr std::size_t max_answer_bytes = 64u << 20;     // of an answer that is not streamed
constexpr std::size_t max_engine_error = 64u << 10;     // of an engine's refusal that is passed on
constexpr std::size_t max_waiting_output = 256u << 10;  // relayed but not yet written, of a stream

// What has happened to calls since the start.
struct CallCounts {
  std::uint64_t calls = 0, refused = 0, settled = 0, estimated = 0, voided = 0, cut = 0;
  std::uint64_t bound_violations = 0, disconnected = 0, running = 0;
  std::uint64_t input_tokens = 0, output_tokens = 0;
};

// What all calls share.
struct Surroundings {
  real::Loop& loop;
  const world::Clock& clock;
  Catalogue& catalogue;
  Till& till;
  Claims& claims;
  ControlSender& control;
  UpstreamTimeouts timeouts;
  CallCounts counts;
};

// What is called. `body` is valid until the answer is complete or the peer gone.
struct Order {
  Kind kind = Kind::chat;
  Caller caller;
  std::shared_ptr<Endpoint> endpoint;
  Tariff tariff;
  RequestId request;
  Asked asked;
  std::string_view body;
  std::string content_type = "application/json";
  std::string target;     // of the request to the replica
  std::string engine_fields;  // further head fields for the replica
  std::string idempotency_key;  // empty: none was given
  http::Envelope envelope = http::Envelope::openai;
};

// Keeps itself alive until it is settled or void.
class Call final : public std::enable_shared_from_this<Call>, UpstreamUser {
 public:
  static void start(Surroundings& around, Order order, server::Responder responder);

 private:
  enum class Phase : std::uint8_t {
    opening,   // its key is being claimed, its hold opened
    asking,    // no answer of the engine yet
    whole,     // its answer is collected
    stream,    // its answer is relayed event by event, or put together
    settling,  // the settlement is on its way to the disk
    over,
  };

  Call(Surroundings& around, Order order, server::Responder responder);
  void claim();
  void open();
  void opened(Result<Held> held);
  void ask();
  std::string engine_request() const;

  // The engine.
  void on_head(int status, std::string_view content_type) override;
  void on_piece(std::string_view piece) override;
  void on_complete() override;
  void on_failed(const Error& why) override;
  void engine_refused();
  void complete_whole();

  // The stream.
  void relay();
  bool relay_event(EventMeter::Step step);
  bool covered();
  void extend();
  void extended(Result<journal::Sequence> sequence);
  void write_out();
  void finish_stream(std::string_view last);
  void cut(const Error& why);
  void cut_assembled(const Error& why);
  void finish_assembled(std::string_view unfinished, std::string fields);

  // Money.
  Counts produced() const;
  Counts delivered_at_least() const;
  bool settle(const Counts& counts, bool estimated, real::Work settled);
  void void_hold(metering::VoidReason reason);
  void give_up(const Error& why, metering::VoidReason reason);
  void client_gone();
  void end();
  void note_refusal(const Error& why);
  std::string answer_fields() const;

  Surroundings& around_;
  Order order_;
  server::Responder responder_;
  Phase phase_ = Phase::opening;
  Purchase purchase_;
  Bounds bounds_;
  Held held_;
  bool hold_durable_ = false;
  std::shared_ptr<UpstreamCall> upstream_;
  int status_ = 0;
  std::string content_type_, collected_;
  EventMeter meter_;
  std::optional<Assembly> assembly_;  // of an answer that the caller wants whole
  std::uint64_t covered_output_ = 0;  // output tokens that the hold covers
  bool extending_ = false, begun_ = false, output_full_ = false, engine_done_ = false;
  std::string out_;
};

}  // namespace bessemer::gateway
