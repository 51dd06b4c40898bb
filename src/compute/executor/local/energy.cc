// Energy between two readings of a counter.
#include "compute/executor/local/energy.h"

#include "base/text.h"

namespace bessemer::executor {

std::optional<EnergyReading> EnergyMeter::read(const std::vector<std::string>& uuids) {
  if (uuids.empty()) return std::nullopt;
  if (!looked_) {
    looked_ = true;
    auto opened = Nvml::open();
    if (opened) nvml_ = std::move(*opened);
  }
  if (!nvml_) return std::nullopt;
  EnergyReading out;
  for (const auto& uuid : uuids) {
    const auto millijoules = nvml_->energy(uuid);
    if (millijoules) out[uuid] = *millijoules;
  }
  if (out.empty()) return std::nullopt;
  return out;
}

std::uint64_t EnergyMeter::between(const EnergyReading& before, const EnergyReading& after) {
  std::uint64_t total = 0;
  for (const auto& [uuid, now] : after) {
    const auto then = before.find(uuid);
    if (then == before.end()) continue;
    total += now >= then->second ? now - then->second : now;
  }
  return total;
}

std::string to_text(const EnergyReading& reading) {
  std::string out;
  for (const auto& [uuid, millijoules] : reading) {
    out += uuid + " " + std::to_string(millijoules) + "\n";
  }
  return out;
}

std::optional<EnergyReading> energy_from_text(std::string_view text) {
  EnergyReading out;
  for (const auto line : split(trim(text), '\n')) {
    const auto words = split(line, ' ');
    const auto value = words.size() == 2 ? parse_unsigned(words[1]) : std::nullopt;
    if (!value) return std::nullopt;
    out[std::string(words[0])] = *value;
  }
  return out;
}

}  // namespace bessemer::executor
