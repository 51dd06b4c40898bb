// Declared things: YAML against what is there, the difference shown, then made so.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "application/cli/arguments.h"
#include "application/cli/document.h"
#include "base/result.h"

namespace bessemer::cli {

// How one kind of thing is found and written.
struct Declared {
  std::string_view kind;    // "budget", as `kind:` says it
  std::string_view list;    // where it is looked for
  std::string_view scope;   // the query parameter that takes `in:`; empty: it has none
  std::vector<std::string_view> identity;  // the fields that name it
  std::string_view create_method, create;
  std::string_view change_method, change;  // {} stands for the id; empty: it cannot be changed
  bool sends_kind = false;  // the API tells the kind from the body: nodes of the organisation
  std::vector<std::string_view> fields = {};  // of an export, besides the identity; empty: all
  // Fields that a list shows elsewhere: {"name", "book"}; {"", "spec"}: all of them in there.
  std::vector<std::pair<std::string_view, std::string_view>> shown_as = {};
  std::string_view wrapped = {};      // the body's member that takes the fields: "definition"
  std::string_view listed_kind = {};  // what the list calls the kind, where it holds several

  // Where a list shows a field.
  std::string shown(std::string_view field) const;
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

// Puts file and line before what is wrong with a document of it. `prefix` is what the API calls the
// document: "definition.".
Error in_file(Error error, const std::string& file, std::string_view text, std::size_t document,
              std::string_view prefix = {});

// Things as declarations, which `apply` takes again; nothing when what `target` lists cannot be
// declared.
std::optional<std::string> declarations_of(std::string_view target, const Document& answer);

// `apply -f FILE...`: several documents a file, "-" for the standard input. Again, it does nothing.
Result<int> apply_files(Session& session);

}  // namespace bessemer::cli
