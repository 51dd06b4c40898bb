// Completion: the table's words, and the names of what the factory has.
#include "application/cli/complete.h"

#include <set>

#include "application/cli/session.h"

namespace bessemer::cli {
namespace {

// The names in a list of the API; ids where things have none.
void offer_names(Session& session, std::string_view list, std::string_view unfinished,
                 std::set<std::string>& found) {
  const auto remote = session.remote();
  if (!remote) return;
  (*remote)->client().set_patience(completion_patience);
  const auto answer = (*remote)->get(std::string(list) + query_text(list_query(session, list)));
  if (!answer) return;
  const Document* const items = answer->find("items");
  if (items == nullptr) return;
  for (const auto& [unnamed, row] : items->members) {
    const std::string name = name_in(list, row);
    if (!name.empty() && name.starts_with(unfinished)) found.insert(printable(name));
  }
}

void offer_contexts(Session& session, std::string_view unfinished, std::set<std::string>& found) {
  const auto config = read_config(session.around());
  if (!config) return;
  for (const auto& [name, place] : config->contexts) {
    if (name.starts_with(unfinished)) found.insert(name);
  }
}

}  // namespace

Result<int> complete(Session& session) {
  const std::vector<std::string>& words = session.arguments().rest;
  const auto known = completions(session.commands(), words);
  std::set<std::string> found(known.begin(), known.end());
  if (!words.empty()) {
    const Unfinished at = unfinished(session.commands(), words);
    const std::string& last = words.back();
    // Asked as the command itself would be: with its --context and --project.
    if (at.command != nullptr) {
      Session asking(session.commands(), *at.command, at.arguments, session.terminal(),
                     session.around());
      if (at.option != nullptr && at.option->name == "context") {
        offer_contexts(asking, last, found);
      } else if (at.option != nullptr && at.option->name == "project") {
        offer_names(asking, "/api/v1/orgs", last, found);
      } else if (at.operand != nullptr && !at.operand->lookup.empty()) {
        offer_names(asking, at.operand->lookup, last, found);
      }
    }
  }
  for (const std::string& word : found) session.print(word + "\n");
  return 0;
}

}  // namespace bessemer::cli
