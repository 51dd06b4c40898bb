// Cursor pagination: pages of a list in a total order, stable while things come and go.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "application/api/call.h"
#include "application/api/route.h"
#include "base/limits.h"
#include "base/text.h"

namespace bessemer::api {

// One page; `next` is given back as `after` for the page that follows.
template <class View>
struct Page {
  std::vector<View> items;
  std::optional<std::string> next;
  BOOST_DESCRIBE_CLASS(Page, (), (items, next), (), ())
};

inline const std::vector<Parameter> page_parameters = {
    {"limit", "at most this many, 1 to 500; 100 when left out"},
    {"after", "`next` of the page before"},
};

// The parameters of a list route: those of pages and `more`.
inline std::vector<Parameter> with_page(std::vector<Parameter> more) {
  more.insert(more.end(), page_parameters.begin(), page_parameters.end());
  return more;
}

// Errors: invalid.
Result<std::size_t> page_limit(const Call& call);

// Takes a page of `things` (in rising order of `key(thing)`, a text that is unique) and renders
// each with `view(thing)`. `things` may be pointers or values.
template <class View, class Things, class Key, class Render>
Result<Page<View>> paginate(const Call& call, const Things& things, Key key, Render view) {
  TRY_ASSIGN(const std::size_t limit, page_limit(call));
  const std::string after{call.query("after").value_or("")};
  Page<View> page;
  std::string last;
  for (const auto& thing : things) {
    std::string at = key(thing);
    if (!after.empty() && at <= after) continue;
    if (page.items.size() == limit) {
      page.next = last;
      break;
    }
    page.items.push_back(view(thing));
    last = std::move(at);
  }
  return page;
}

}  // namespace bessemer::api
