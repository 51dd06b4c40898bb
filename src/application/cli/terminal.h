// The edge of the command line: what is printed, read, waited for, and where it runs.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace bessemer::cli {

struct Terminal {
  virtual ~Terminal() = default;
  virtual void out(std::string_view text) = 0;
  virtual void err(std::string_view text) = 0;
  // True when a person reads `out`: tables are cut to its width and may be drawn again.
  virtual bool is_interactive() const = 0;
  virtual std::size_t columns() const = 0;  // 0: no limit
  // All of the standard input. Errors: invalid (more than `limit` bytes).
  virtual Result<std::string> input(std::size_t limit) = 0;
  // Waits; false when the person asked to stop (Ctrl-C).
  virtual bool pause(Duration span) = 0;
  virtual Instant now() const = 0;
  // Unpredictable text for Idempotency-Keys: 32 hexadecimal digits.
  virtual std::string fresh_key() = 0;
};

// The process's own terminal and clock.
class ProcessTerminal final : public Terminal {
 public:
  ProcessTerminal();
  void out(std::string_view text) override;
  void err(std::string_view text) override;
  bool is_interactive() const override;
  std::size_t columns() const override;
  Result<std::string> input(std::size_t limit) override;
  bool pause(Duration span) override;
  Instant now() const override;
  std::string fresh_key() override;
};

// What the process was started with.
struct Surroundings {
  std::map<std::string, std::string> variables;
  std::string working_directory;
  // Empty when unset.
  std::string variable(const std::string& name) const;
};
Surroundings process_surroundings();

}  // namespace bessemer::cli
