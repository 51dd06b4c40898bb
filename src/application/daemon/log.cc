// Structured logs.
#include "application/daemon/log.h"

#include <unistd.h>

#include "base/json.h"
#include "world/real/clock.h"

namespace bessemer::daemon {

void log_line(std::string_view level, std::string_view message,
              std::initializer_list<std::pair<std::string_view, std::string>> fields) {
  std::string line = "{\"at\":";
  json::quote(line, to_text(real::RealClock().now()));
  line += ",\"level\":";
  json::quote(line, level);
  line += ",\"message\":";
  json::quote(line, message);
  for (const auto& [name, value] : fields) {
    line += ',';
    json::quote(line, name);
    line += ':';
    json::quote(line, value);
  }
  line += "}\n";
  // One write, so that lines of several threads do not mix. A full pipe loses the line.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace bessemer::daemon
