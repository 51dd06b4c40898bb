// How a function says no.
#include "base/result.h"

namespace bessemer {

std::string_view to_text(Code code) {
  switch (code) {
    case Code::invalid: return "invalid";
    case Code::unauthenticated: return "unauthenticated";
    case Code::forbidden: return "forbidden";
    case Code::not_found: return "not_found";
    case Code::conflict: return "conflict";
    case Code::exhausted: return "exhausted";
    case Code::unavailable: return "unavailable";
    case Code::internal: return "internal";
  }
  return "internal";
}

Error&& Error::within(std::string_view outer) && {
  if (field.empty()) {
    field = outer;
  } else if (field.front() == '[') {
    field.insert(0, outer);
  } else {
    field = std::string(outer) + "." + field;
  }
  return std::move(*this);
}

Error&& Error::during(std::string_view doing) && {
  what = std::string(doing) + ": " + what;
  return std::move(*this);
}

std::string to_text(const Error& error) {
  std::string out;
  if (!error.field.empty()) out += error.field + ": ";
  out += error.what;
  if (!error.remedy.empty()) out += "; " + error.remedy;
  return out;
}

namespace {
Error make(Code code, std::string what) {
  Error error;
  error.code = code;
  error.what = std::move(what);
  return error;
}
}  // namespace

Error invalid(std::string what) { return make(Code::invalid, std::move(what)); }
Error unauthenticated(std::string what) { return make(Code::unauthenticated, std::move(what)); }
Error forbidden(std::string what) { return make(Code::forbidden, std::move(what)); }
Error not_found(std::string what) { return make(Code::not_found, std::move(what)); }
Error conflict(std::string what) { return make(Code::conflict, std::move(what)); }
Error exhausted(std::string what) { return make(Code::exhausted, std::move(what)); }
Error unavailable(std::string what) {
  return make(Code::unavailable, std::move(what)).retried(Retry::later);
}
Error internal(std::string what) { return make(Code::internal, std::move(what)); }

}  // namespace bessemer
