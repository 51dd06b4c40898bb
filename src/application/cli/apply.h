// Declared things: YAML against what is there, the difference shown, then made so.
#pragma once
#include <string>
#include <vector>

#include "application/cli/arguments.h"
#include "application/cli/document.h"
#include "base/result.h"

namespace bessemer::cli {

// How one kind of thing is found and written. `identity` are the fields that name it.
struct Declared {
  std::string_view kind;    // "budget", as `kind:` says it
  std::string_view list;    // where it is looked for
  std::string_view scope;   // the query parameter that takes `in:`; empty: it has none
  std::vector<std::string_view> identity;
  std::string_view create_method, create;
  std::string_view change_method, change;  // {} stands for the id; empty: it cannot be changed
  bool sends_kind = false;  // the API tells the kind from the body: nodes of the organisation
  std::string_view name_in_list;  // what a list calls `name`; empty: the same
};
const std::vector<Declared>& declared_kinds();

// What has to be done for one document.
struct Step {
  enum class What : std::uint8_t { nothing, create, change } what = What::nothing;
  std::string name;                      // "budget vision"
  std::vector<std::string> differences;  // one a line
  std::string method, target;
  Document body;
};
// Compares a declaration with what there is (null: nothing). Errors: invalid (a kind or field that
// cannot be), conflict (a change that the API cannot make).
Result<Step> plan_step(const Declared& kind, const Document& declaration, const Document* now);

// `apply -f FILE...`: several documents a file, "-" for the standard input. Again, it does nothing.
Result<int> apply_files(Session& session);

}  // namespace bessemer::cli
