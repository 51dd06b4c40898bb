// The envelope of facts, and the way to the codec of the right module.
#include "application/factory/fact.h"

#include "application/factory/fact_codec.h"

namespace bessemer::factory {
namespace {

template <class... M>
Result<Event> decode_event(std::uint16_t number, std::string_view bytes,
                           std::type_identity<std::variant<M...>>) {
  std::optional<Result<Event>> found;
  const auto attempt = [&]<class One>(std::type_identity<One>) {
    if (found) return;
    auto decoded = FactCodec<One>::decode(number, bytes);
    if (!decoded) return;
    if (*decoded) found.emplace(Event(**std::move(decoded)));
    else found.emplace(std::move(*decoded).error());
  };
  (attempt(std::type_identity<M>{}), ...);
  if (found) return *std::move(found);
  return invalid("a fact of an unknown kind (" + std::to_string(number) +
                 "): the journal was written by a newer version");
}

}  // namespace

std::uint16_t encode_fact(std::string& out, const Context& context, const Event& event) {
  codec::encode(out, context);
  return std::visit(
      [&](const auto& held) {
        return FactCodec<std::remove_cvref_t<decltype(held)>>::encode(out, held);
      },
      event);
}

Result<Fact> decode_fact(std::uint64_t sequence, std::uint16_t number, std::string_view bytes) {
  const auto failed = [&](Error error) {
    return std::move(error)
        .because("journal_newer")
        .during("fact " + std::to_string(sequence))
        .fix("start it with the version of bessemer that wrote it, or a later one");
  };
  Fact fact;
  fact.sequence = sequence;
  codec::Reader reader{bytes};
  if (!codec::get(reader, fact.context)) return failed(invalid(reader.failed));
  auto event = decode_event(number, reader.in, std::type_identity<Event>{});
  if (!event) return failed(std::move(event).error());
  fact.event = *std::move(event);
  return fact;
}

std::string_view tag_of(const Event& event) {
  return std::visit(
      [](const auto& held) { return FactCodec<std::remove_cvref_t<decltype(held)>>::tag(held); },
      event);
}

std::string to_json(const Fact& fact) {
  std::string out = "{\"sequence\":" + std::to_string(fact.sequence) + ",\"at\":";
  json::write(out, fact.context.now);
  if (fact.context.occurred_at != fact.context.now) {
    out += ",\"occurred_at\":";
    json::write(out, fact.context.occurred_at);
  }
  if (fact.context.actor) {
    out += ",\"actor\":";
    json::write(out, fact.context.actor);
  }
  out += ",\"origin\":";
  json::write(out, fact.context.origin);
  out += ",\"fact\":";
  json::quote(out, tag_of(fact.event));
  out += ",\"body\":";
  std::visit(
      [&](const auto& held) {
        FactCodec<std::remove_cvref_t<decltype(held)>>::to_json(out, held);
      },
      fact.event);
  return out + "}";
}

}  // namespace bessemer::factory
