// One governed call of a model: held for, asked of a replica, relayed, settled.
#include "application/gateway/call.h"

#include <algorithm>

#include "application/http/write.h"
#include "base/digest.h"

namespace bessemer::gateway {
namespace {

constexpr std::uint64_t bytes_per_token = 4;  // of ordinary text, for estimates
constexpr std::uint64_t most_bytes_per_token = 8;  // of a prompt, for what is surely used

std::uint64_t estimate(std::uint64_t bytes) {
  return (bytes + bytes_per_token - 1) / bytes_per_token;
}

Relay relay_for(const Order& order) {
  if (!order.asked.stream) return Relay::data;
  return order.asked.include_usage ? Relay::events_with_usage : Relay::events;
}

bool is_event_stream(std::string_view type) {
  constexpr std::string_view wanted = "text/event-stream";
  return type.size() >= wanted.size() &&
         http::equal_ignoring_case(type.substr(0, wanted.size()), wanted);
}

Error engine_failed(std::string what) {
  return unavailable(std::move(what)).because("upstream_failed");
}

}  // namespace

void Call::start(Surroundings& around, Order order, server::Responder responder) {
  const std::shared_ptr<Call> call(
      new Call(around, std::move(order), std::move(responder)));
  ++around.counts.calls;
  ++around.counts.running;
  call->responder_.when_gone([call] { call->client_gone(); });
  if (call->order_.idempotency_key.empty()) call->open();
  else call->claim();
}

Call::Call(Surroundings& around, Order order, server::Responder responder)
    : around_(around), order_(std::move(order)), responder_(std::move(responder)),
      meter_(relay_for(order_)) {}

// ---- holding and asking

void Call::claim() {
  Sha256 body;
  body.add(order_.target);
  body.add(" ");
  body.add(order_.body);
  control::ClaimKey claim;
  claim.caller = order_.caller->id;
  claim.key = order_.idempotency_key;
  claim.body = body.finish();
  claim.request = order_.request;
  around_.claims.ask(std::move(claim), [self = shared_from_this()](Result<void> claimed) {
    if (self->phase_ == Phase::over) return self->around_.claims.release(self->order_.request);
    if (claimed) return self->open();
    // The key is another request's: not this one's to give up.
    self->order_.idempotency_key.clear();
    self->note_refusal(claimed.error());
    self->responder_.refuse(claimed.error(), self->order_.envelope, to_text(self->order_.request));
    self->end();
  });
}

void Call::open() {
  const auto& endpoint = *order_.endpoint;
  bounds_ = bounds_of(order_.kind, order_.asked, order_.body.size(), endpoint.entry,
                      endpoint.recent.p90());
  const bool free = endpoint.entry.free_of_charge;
  purchase_ = {order_.caller, order_.endpoint, order_.tariff, order_.request,
               metered(bounds_.first, order_.tariff.prices, free), bounds_.slice};
  covered_output_ = bounds_.first.output;
  around_.till.open(purchase_, [self = shared_from_this()](Result<Held> held) {
    self->opened(std::move(held));
  });
}

void Call::opened(Result<Held> held) {
  if (!held) {
    if (!order_.idempotency_key.empty()) around_.claims.release(order_.request);
    if (phase_ == Phase::over) return;
    note_refusal(held.error());
    responder_.refuse(held.error(), order_.envelope, to_text(order_.request));
    return end();
  }
  held_ = *held;
  if (phase_ == Phase::over) {  // the client left while its budget was being asked for
    return void_hold(metering::VoidReason::client_left);
  }
  phase_ = Phase::asking;
  around_.till.writer()->when_durable(held_.sequence, [self = shared_from_this()] {
    self->hold_durable_ = true;
    if (self->phase_ == Phase::stream) self->write_out();
  });
  ask();
}

void Call::ask() {
  upstream_ = UpstreamCall::start(around_.loop, order_.endpoint->replicas, engine_request(), *this,
                                  around_.timeouts);
}

std::string Call::engine_request() const {
  Patch patch;
  patch.model = order_.endpoint->entry.engine_model;
  patch.stream = patch.usage = streams(order_.kind, order_.asked);
  patch.continuous_usage = order_.endpoint->entry.continuous_usage;
  std::string patched;
  auto body = order_.body;
  if (order_.kind != Kind::infer) {
    patched = patched_body(order_.body, order_.asked, patch);
    body = patched;
  }
  std::string out;
  out.reserve(body.size() + 512);
  http::append_request_line(out, "POST", order_.target);
  http::append_field(out, "host", "replica");
  http::append_field(out, "content-type", order_.content_type);
  http::append_field(out, "x-request-id", to_text(order_.request));
  out += order_.engine_fields;
  http::append_field(out, "content-length", body.size());
  http::end_head(out);
  return out.append(body);
}

std::string Call::answer_fields() const {
  std::string out;
  http::append_field(out, "x-request-id", to_text(order_.request));
  return out;
}

// ---- the engine's answer

void Call::on_head(int status, std::string_view content_type) {
  status_ = status;
  content_type_ = content_type;
  const bool streamed = status == 200 && streams(order_.kind, order_.asked) &&
                        is_event_stream(content_type);
  phase_ = streamed ? Phase::stream : Phase::whole;
  if (streamed && !order_.asked.stream) assembly_.emplace();
}

void Call::on_piece(std::string_view piece) {
  if (phase_ == Phase::stream) {
    meter_.feed(piece);
    return relay();
  }
  if (phase_ != Phase::whole) return;
  const auto most = status_ < 300 ? max_answer_bytes : max_engine_error;
  if (collected_.size() + piece.size() > most) {
    upstream_->cancel();
    return give_up(engine_failed("the engine's answer is too large"),
                   metering::VoidReason::upstream_failed);
  }
  collected_ += piece;
}

void Call::on_complete() {
  engine_done_ = true;
  if (phase_ == Phase::stream) {
    meter_.finish();
    return relay();
  }
  if (phase_ != Phase::whole) return;  // its last event was enough
  if (status_ >= 300) return engine_refused();
  complete_whole();
}

void Call::on_failed(const Error& why) {
  if (phase_ == Phase::settling || phase_ == Phase::over) return;
  if (phase_ == Phase::stream && (begun_ || meter_.chunks() > 0) && !assembly_) return cut(why);
  give_up(why, metering::VoidReason::upstream_failed);
}

// The engine's own refusal of this request is the caller's to read; what is between us and the
// engine is not.
void Call::engine_refused() {
  const bool callers = status_ == 400 || status_ == 404 || status_ == 409 || status_ == 413 ||
                       status_ == 422;
  if (!callers || content_type_.find("json") == std::string::npos) {
    const auto error = engine_failed("the engine answered " + std::to_string(status_));
    return give_up(error, metering::VoidReason::upstream_failed);
  }
  void_hold(metering::VoidReason::refused);
  responder_.answer({.status = status_,
                     .content_type = content_type_,
                     .body = std::move(collected_),
                     .fields = answer_fields()});
  end();
}

void Call::complete_whole() {
  auto counts = Counts{.requests = 1};
  bool estimated = false;
  if (order_.kind != Kind::infer) {
    collected_.reserve(collected_.size() + spare_bytes);
    const auto told = read_answer(collected_);
    if (!told.is_object || told.is_error) {
      return give_up(engine_failed("the engine answered with an error"),
                     metering::VoidReason::upstream_failed);
    }
    estimated = !told.usage;
    counts = told.usage.value_or(Counts{.input = estimate(order_.body.size()),
                                        .output = estimate(told.content_bytes),
                                        .requests = 1});
  }
  phase_ = Phase::settling;
  settle(counts, estimated, [self = shared_from_this()] {
    if (self->phase_ == Phase::over) return;
    self->responder_.answer({.status = self->status_,
                             .content_type = self->content_type_,
                             .body = std::move(self->collected_),
                             .fields = self->answer_fields()});
    self->end();
  });
}

// ---- the stream

void Call::relay() {
  while (phase_ == Phase::stream && !output_full_) {
    const auto step = meter_.next();
    if (step == EventMeter::Step::more) {
      if (engine_done_) finish_stream({});
      break;
    }
    if (!relay_event(step)) break;
  }
  if (phase_ == Phase::stream) write_out();
}

// False: no more events are looked at for now.
bool Call::relay_event(EventMeter::Step step) {
  switch (step) {
    case EventMeter::Step::done: finish_stream(meter_.text()); return false;
    case EventMeter::Step::refused:
      upstream_->cancel();
      if (assembly_) give_up(engine_failed("the engine sent an event without end"),
                             metering::VoidReason::upstream_failed);
      else cut(engine_failed("the engine sent an event without end"));
      return false;
    case EventMeter::Step::error:
      upstream_->cancel();
      if (!assembly_ && (begun_ || meter_.chunks() > 0)) cut(engine_failed("the engine failed"));
      else give_up(engine_failed("the engine failed"), metering::VoidReason::upstream_failed);
      return false;
    default: break;
  }
  if (!covered()) return false;
  if (assembly_) {
    const bool added = meter_.text().empty() || assembly_->add(meter_.text(), max_answer_bytes);
    meter_.take();
    if (added) return true;
    upstream_->cancel();
    give_up(engine_failed("the engine's answer is damaged or too large"),
            metering::VoidReason::upstream_failed);
    return false;
  }
  out_ += meter_.text();
  meter_.take();
  if (out_.size() > max_waiting_output) {
    output_full_ = true;
    upstream_->pause();
  }
  return true;
}

// Whether the hold covers the event looked at. Asks for the next slice in time, so that the stream
// need not wait for it; when it must, the engine waits too.
bool Call::covered() {
  const bool whole = bounds_.most_output > 0 && covered_output_ >= bounds_.most_output;
  if (whole || tokens_of(purchase_.slice) == 0) return true;
  const auto produced = meter_.output_bound();
  const auto half = bounds_.slice.output / 2;
  if (produced + half >= covered_output_) extend();
  if (phase_ != Phase::stream) return false;
  if (produced <= covered_output_) return true;
  upstream_->pause();
  return false;
}

void Call::extend() {
  if (extending_) return;
  if (!around_.catalogue.keys().living(order_.caller->id, around_.clock.now())) {
    upstream_->cancel();
    return cut(unauthenticated("the API key has been revoked or has expired"));
  }
  extending_ = true;
  auto total = bounds_.first;
  total.output = std::max(covered_output_, meter_.output_bound()) + bounds_.slice.output;
  if (bounds_.most_output > 0) total.output = std::min(total.output, bounds_.most_output);
  // Nothing of an answer that is put together has left.
  const auto delivered = assembly_ ? Counts{} : meter_.usage() ? produced() : delivered_at_least();
  const auto& prices = order_.tariff.prices;
  const bool free = order_.endpoint->entry.free_of_charge;
  around_.till.extend(purchase_, held_.hold, metered(delivered, prices, free),
                      metered(total, prices, free),
                      [self = shared_from_this(), total](Result<journal::Sequence> sequence) {
                        if (!sequence) return self->extended(std::move(sequence));
                        const auto at = *sequence;
                        self->around_.till.writer()->when_durable(at, [self, at, total] {
                          self->covered_output_ = total.output;
                          self->extended(at);
                        });
                      });
}

void Call::extended(Result<journal::Sequence> sequence) {
  extending_ = false;
  if (phase_ != Phase::stream) return;
  if (!sequence) {
    // What is covered may still be delivered; the next event asks again, or is cut.
    if (meter_.output_bound() <= covered_output_) return;
    note_refusal(sequence.error());
    upstream_->cancel();
    return cut(sequence.error());
  }
  if (!output_full_) upstream_->resume();
  relay();
}

void Call::write_out() {
  if (!hold_durable_ || out_.empty()) return;
  if (!std::exchange(begun_, true)) {
    responder_.begin(200, "text/event-stream", answer_fields() + "cache-control: no-cache\r\n");
    responder_.when_room([self = shared_from_this()] {
      self->output_full_ = false;
      if (self->phase_ != Phase::stream) return;
      self->upstream_->resume();
      self->relay();
    });
  }
  const auto flow = responder_.write(std::exchange(out_, {}));
  if (flow == server::Flow::wait && upstream_) {
    output_full_ = true;
    upstream_->pause();
  } else if (output_full_ && flow == server::Flow::more) {
    output_full_ = false;  // what waited for the hold is out
    upstream_->resume();
  }
}

// The last event leaves once the settlement is durable: who saw it has been billed.
void Call::finish_stream(std::string_view last) {
  if (assembly_) return finish_assembled({}, answer_fields());
  std::string tail = std::exchange(out_, {}) + std::string(last);
  phase_ = Phase::settling;
  // The events before the last one need not wait for the settlement, only for the hold.
  const bool counted = meter_.usage().has_value();
  const auto outputs = meter_.output_bound();
  if (hold_durable_ && tail.size() > last.size()) {
    phase_ = Phase::stream;
    out_ = tail.substr(0, tail.size() - last.size());
    write_out();
    tail = std::string(last);
    phase_ = Phase::settling;
  }
  if (counted) order_.endpoint->recent.add(outputs);
  settle(produced(), !counted, [self = shared_from_this(), tail = std::move(tail)] {
    if (self->phase_ == Phase::over) return;
    self->out_ = tail;
    self->write_out();
    if (!self->begun_) self->responder_.begin(200, "text/event-stream", self->answer_fields());
    self->responder_.end();
    self->end();
  });
}

// The whole answer leaves once its settlement is durable. `unfinished` as in Assembly.
void Call::finish_assembled(std::string_view unfinished, std::string fields) {
  if (meter_.chunks() == 0) {
    return give_up(engine_failed("the engine sent no answer"),
                   metering::VoidReason::upstream_failed);
  }
  phase_ = Phase::settling;
  collected_ = assembly_->finish(unfinished);
  const bool counted = meter_.usage().has_value();
  if (counted) order_.endpoint->recent.add(meter_.output_bound());
  settle(produced(), !counted, [self = shared_from_this(), fields = std::move(fields)]() mutable {
    if (self->phase_ == Phase::over) return;
    self->responder_.answer({.status = 200,
                             .content_type = "application/json",
                             .body = std::move(self->collected_),
                             .fields = std::move(fields)});
    self->end();
  });
}

// A hold that could not grow leaves the caller what it paid for, as a limit of length does. Whose
// key is over gets nothing and pays nothing.
void Call::cut_assembled(const Error& why) {
  if (why.code == Code::unauthenticated || meter_.chunks() == 0) {
    return give_up(why, metering::VoidReason::refused);
  }
  ++around_.counts.cut;
  auto fields = answer_fields();
  http::append_field(fields, "bessemer-cut", why.reason.empty() ? "exhausted" : why.reason);
  finish_assembled("length", std::move(fields));
}

// Ends a stream that has begun: what was produced is billed, the caller is told why.
void Call::cut(const Error& why) {
  if (assembly_) return cut_assembled(why);
  ++around_.counts.cut;
  phase_ = Phase::settling;
  const auto refusal = http::refuse(why, http::Envelope::openai, to_text(order_.request));
  auto tail = std::exchange(out_, {});
  http::append_event(tail, "", "", refusal.body);
  settle(produced(), !meter_.usage().has_value(),
         [self = shared_from_this(), tail = std::move(tail)] {
           if (self->phase_ == Phase::over) return;
           self->out_ = tail;
           self->write_out();
           self->responder_.end();
           self->end();
         });
}

// ---- money

// What a stream has produced so far, by the engine's count or else by ours.
Counts Call::produced() const {
  if (meter_.usage()) {
    auto counts = *meter_.usage();
    counts.requests = 1;
    return counts;
  }
  Counts counts;
  counts.requests = 1;
  counts.input = std::min(estimate(order_.body.size()), bounds_.first.input);
  counts.output = std::max(meter_.chunks(), estimate(meter_.content_bytes()));
  return counts;
}

// What is surely delivered: a crash charges no more than this.
Counts Call::delivered_at_least() const {
  return {.input = std::min(order_.body.size() / most_bytes_per_token, bounds_.first.input),
          .output = meter_.chunks(),
          .requests = 1};
}

bool Call::settle(const Counts& counts, bool estimated, real::Work settled) {
  const auto& entry = order_.endpoint->entry;
  const auto used = metered(counts, order_.tariff.prices, entry.free_of_charge);
  const auto done = around_.till.settle(held_.hold, used, estimated, std::move(settled));
  if (!done) {
    // The log takes nothing any more: no byte is released, the tenant pays nothing.
    responder_.abort();
    end();
    return false;
  }
  ++around_.counts.settled;
  around_.counts.estimated += estimated ? 1 : 0;
  around_.counts.input_tokens += used.input + used.cached_input;
  around_.counts.output_tokens += used.output + used.reasoning;
  if (!done->bound_violation) return true;
  ++around_.counts.bound_violations;
  order_.endpoint->broke_bound = true;
  around_.control.send(control::FromGateway(control::Alert{
      entry.id,
      "the engine of '" + entry.names.front() + "' gave more than was held for request " +
          to_text(order_.request) + "; nothing is routed to it until the endpoint changes",
      true}));
  return true;
}

void Call::void_hold(metering::VoidReason reason) {
  around_.till.void_hold(held_.hold, reason);
  ++around_.counts.voided;
  if (!order_.idempotency_key.empty()) around_.claims.release(order_.request);
}

// Before any output: the tenant pays nothing and the caller is told.
void Call::give_up(const Error& why, metering::VoidReason reason) {
  void_hold(reason);
  responder_.refuse(why, order_.envelope, to_text(order_.request));
  end();
}

void Call::client_gone() {
  if (phase_ == Phase::over) return;
  ++around_.counts.disconnected;
  if (upstream_) upstream_->cancel();
  const auto before = std::exchange(phase_, Phase::over);
  --around_.counts.running;
  if (before == Phase::opening || before == Phase::settling) return;
  if (before == Phase::stream && (meter_.chunks() > 0 || meter_.usage())) {
    settle(produced(), !meter_.usage().has_value(), [] {});
    return;
  }
  void_hold(metering::VoidReason::client_left);
}

void Call::end() {
  if (phase_ == Phase::over) return;
  phase_ = Phase::over;
  --around_.counts.running;
  if (upstream_) upstream_->cancel();
  responder_ = {};
}

// Refusals of money and access to somebody known are facts.
void Call::note_refusal(const Error& why) {
  ++around_.counts.refused;
  around_.control.send(control::FromGateway(control::RequestRefused{
      order_.request, order_.caller->id, order_.asked.model,
      why.reason.empty() ? std::string(to_text(why.code)) : why.reason, why.what,
      around_.clock.now()}));
}

}  // namespace bessemer::gateway
