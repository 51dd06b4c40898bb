// The codec of one module's events: number, bytes and JSON of whichever alternative is held.
// Included only by the fact_*.cc files, which instantiate it: it is heavy.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "application/factory/fact.h"
#include "base/codec.h"
#include "base/json.h"

namespace bessemer::factory {

// What fact.cc needs of one module's events; defined once per module by FACT_CODEC.
template <class ModuleEvent>
struct FactCodec {
  // Appends the event's fields and returns its number.
  static std::uint16_t encode(std::string& out, const ModuleEvent& event);
  // Nothing when no alternative has this number. Errors: invalid, as the codec says.
  static std::optional<Result<ModuleEvent>> decode(std::uint16_t number, std::string_view bytes);
  static std::string_view tag(const ModuleEvent& event);
  static void to_json(std::string& out, const ModuleEvent& event);
};

template <class... E>
std::uint16_t encode_alternative(std::string& out, const std::variant<E...>& event) {
  return std::visit(
      [&](const auto& held) {
        codec::encode(out, held);
        return std::remove_cvref_t<decltype(held)>::fact;
      },
      event);
}

template <class... E>
std::optional<Result<std::variant<E...>>> decode_alternative(
    std::uint16_t number, std::string_view bytes, std::type_identity<std::variant<E...>>) {
  std::optional<Result<std::variant<E...>>> found;
  const auto attempt = [&]<class One>(std::type_identity<One>) {
    if (found || number != One::fact) return;
    auto decoded = codec::decode<One>(bytes);
    if (decoded) found.emplace(std::variant<E...>(*std::move(decoded)));
    else found.emplace(std::move(decoded).error());
  };
  (attempt(std::type_identity<E>{}), ...);
  return found;
}

}  // namespace bessemer::factory

#define FACT_CODEC(ModuleEvent)                                                                \
  template <>                                                                                  \
  std::uint16_t FactCodec<ModuleEvent>::encode(std::string& out, const ModuleEvent& event) {   \
    return encode_alternative(out, event);                                                     \
  }                                                                                            \
  template <>                                                                                  \
  std::optional<Result<ModuleEvent>> FactCodec<ModuleEvent>::decode(std::uint16_t number,      \
                                                                    std::string_view bytes) {  \
    return decode_alternative(number, bytes, std::type_identity<ModuleEvent>{});               \
  }                                                                                            \
  template <>                                                                                  \
  std::string_view FactCodec<ModuleEvent>::tag(const ModuleEvent& event) {                     \
    return std::visit([](const auto& held) { return std::remove_cvref_t<decltype(held)>::tag; }, \
                      event);                                                                  \
  }                                                                                            \
  template <>                                                                                  \
  void FactCodec<ModuleEvent>::to_json(std::string& out, const ModuleEvent& event) {           \
    std::visit([&](const auto& held) { json::write(out, held); }, event);                      \
  }
