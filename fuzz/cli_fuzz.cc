// Answers and command lines from strangers: no crash, nothing that writes to the terminal, and
// what is written reads back.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "application/cli/arguments.h"
#include "application/cli/catalog.h"
#include "application/cli/document.h"
#include "application/cli/session.h"
#include "application/cli/table.h"
#include "application/yaml/yaml.h"
#include "base/check.h"
#include "base/text.h"

using namespace bessemer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto document = cli::parse_document(text)) {
    const auto again = cli::parse_document(cli::to_json(*document));
    check(again.has_value() && *again == *document);
    check(cli::differences(*document, *again, cli::Compare::whole).empty());
    const std::string shown = cli::render_fields(*document);
    for (const char c : shown) check(c == '\n' || (static_cast<unsigned char>(c) >= 0x20));
  }
  static const std::vector<cli::Command> commands = cli::all_commands();
  std::vector<std::string> words;
  for (const std::string_view word : split(text, ' ')) words.emplace_back(word);
  if (const auto parsed = cli::parse_arguments(commands, words)) {
    check(parsed->command != nullptr && words.front().front() != '-');
  }
  check(cli::completions(commands, words).size() < 100'000);
  if (const auto bytes = cli::parse_bytes(text)) check(*bytes <= std::uint64_t{1} << 62);
  return 0;
}
