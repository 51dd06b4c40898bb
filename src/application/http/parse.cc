// Reads heads strictly: what two readers could understand differently is refused.
#include "application/http/parse.h"

#include <algorithm>

#include "application/http/characters.h"

namespace bessemer::http {
namespace {

constexpr ParseOutcome refused(const char* why, int status = 400) {
  return {Parsed::refused, status, why};
}
constexpr ParseOutcome fine{Parsed::complete, 0, ""};

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

std::string_view without_outer_space(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes one line and its CRLF from the front. `more` when the line end has not arrived.
ParseOutcome take_line(std::string_view& in, std::string_view& line) {
  const auto lf = in.find('\n');
  const auto cr = in.substr(0, lf).find('\r');
  if (lf == std::string_view::npos) {
    if (cr != std::string_view::npos && cr + 1 < in.size()) return refused("a bare CR");
    return {};
  }
  if (cr == std::string_view::npos) return refused("a line that ends in LF without CR");
  if (cr + 1 != lf) return refused("a bare CR");
  line = in.substr(0, cr);
  in.remove_prefix(lf + 1);
  return fine;
}

// "HTTP/1.x" -> x; -1 otherwise.
int minor_version(std::string_view text) {
  if (text.size() != 8 || !text.starts_with("HTTP/1.")) return -1;
  return text[7] == '0' ? 0 : text[7] == '1' ? 1 : -1;
}

Method method_from(std::string_view text) {
  for (const auto method : {Method::get, Method::head, Method::post, Method::put, Method::patch,
                            Method::del, Method::options}) {
    if (to_text(method) == text) return method;
  }
  return Method::other;
}

// Splits the target into path and query. Accepts the origin form, "*" for OPTIONS, and the
// absolute form, whose authority is dropped (RFC 9112 section 3.2).
ParseOutcome read_target(RequestHead& into) {
  auto target = into.target;
  if (target.empty()) return refused("an empty target");
  if (target.size() > max_target_bytes) return refused("the target is too long", 414);
  for (const char c : target) {
    if (c <= ' ' || c > '~' || c == '#') return refused("a character that no target may hold");
  }
  if (target == "*" && into.method == Method::options) {
    into.path = target;
    return fine;
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() < scheme.size() ||
        !equal_ignoring_case(target.substr(0, scheme.size()), scheme)) {
      continue;
    }
    const auto slash = target.find_first_of("/?", scheme.size());
    if (slash == scheme.size()) return refused("a target without a host");
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    break;
  }
  if (target.front() != '/') return refused("a target that does not start with '/'");
  const auto mark = target.find('?');
  into.path = target.substr(0, mark);
  into.query = mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
  return fine;
}

ParseOutcome read_request_line(std::string_view line, RequestHead& into) {
  const auto first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return refused("a bad request line");
  into.method_text = line.substr(0, first);
  into.target = line.substr(first + 1, last - first - 1);
  const auto version = line.substr(last + 1);
  if (!is_token(into.method_text)) return refused("a bad method");
  into.method = method_from(into.method_text);
  into.minor_version = minor_version(version);
  if (into.minor_version < 0) {
    return version.starts_with("HTTP/") ? refused("only HTTP/1.0 and HTTP/1.1 are spoken", 505)
                                        : refused("a bad request line");
  }
  return read_target(into);
}

ParseOutcome read_status_line(std::string_view line, ResponseHead& into) {
  into.minor_version = minor_version(line.substr(0, 8));
  if (into.minor_version < 0 || line.size() < 12 || line[8] != ' ') {
    return refused("a bad status line");
  }
  int status = 0;
  for (const char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') return refused("a bad status");
    status = status * 10 + (c - '0');
  }
  if (status < 100 || status > 599) return refused("a status that does not exist");
  if (line.size() > 12 && line[12] != ' ') return refused("a bad status line");
  into.status = status;
  into.reason = line.size() > 13 ? line.substr(13) : std::string_view{};
  if (!std::all_of(into.reason.begin(), into.reason.end(), is_text_char)) {
    return refused("a control character in the status line");
  }
  return fine;
}

ParseOutcome read_field(std::string_view line, Fields& into) {
  if (line.front() == ' ' || line.front() == '\t') return refused("a folded field");
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return refused("a field without ':'");
  const auto name = line.substr(0, colon);
  if (!is_token(name)) return refused("a bad field name");
  const auto value = without_outer_space(line.substr(colon + 1));
  if (!std::all_of(value.begin(), value.end(), is_text_char)) {
    return refused("a control character in a field");
  }
  if (!into.add({name, value})) return refused("too many fields", 431);
  return fine;
}

// Reads lines until the blank one; `in` then starts with the body.
ParseOutcome read_fields(std::string_view& in, Fields& into) {
  while (true) {
    std::string_view line;
    const auto taken = take_line(in, line);
    if (taken.state != Parsed::complete) return taken;
    if (line.empty()) return fine;
    const auto read = read_field(line, into);
    if (read.state != Parsed::complete) return read;
  }
}

// What the fields say about the body and the connection, alike in requests and responses.
struct Meaning {
  unsigned lengths = 0, codings = 0, hosts = 0, expectations = 0;
  std::string_view length, coding, expectation;
  bool close = false, keep_alive = false;
};

// The members of a Connection field that matter to us.
void read_connection(std::string_view value, Meaning& into) {
  while (!value.empty()) {
    const auto comma = value.find(',');
    const auto one = without_outer_space(value.substr(0, comma));
    into.close = into.close || equal_ignoring_case(one, "close");
    into.keep_alive = into.keep_alive || equal_ignoring_case(one, "keep-alive");
    value = comma == std::string_view::npos ? std::string_view{} : value.substr(comma + 1);
  }
}

Meaning meaning_of(const Fields& fields) {
  Meaning meaning;
  for (const auto& [name, value] : fields) {
    if (equal_ignoring_case(name, "content-length")) {
      ++meaning.lengths;
      meaning.length = value;
    } else if (equal_ignoring_case(name, "transfer-encoding")) {
      ++meaning.codings;
      meaning.coding = value;
    } else if (equal_ignoring_case(name, "host")) {
      ++meaning.hosts;
    } else if (equal_ignoring_case(name, "expect")) {
      ++meaning.expectations;
      meaning.expectation = value;
    } else if (equal_ignoring_case(name, "connection")) {
      read_connection(value, meaning);
    }
  }
  return meaning;
}

// Digits only, at most 18 of them: "+5", "5, 5" and "0x5" are read differently by others.
bool read_length(std::string_view text, std::uint64_t& into) {
  if (text.empty() || text.size() > 18) return false;
  into = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    into = into * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

template <class Head>
ParseOutcome read_framing(const Meaning& meaning, Head& into) {
  if (meaning.lengths > 1) return refused("Content-Length is given twice");
  if (meaning.codings > 1) return refused("Transfer-Encoding is given twice");
  if (meaning.lengths + meaning.codings > 1) {
    return refused("Content-Length beside Transfer-Encoding");
  }
  if (meaning.codings == 1) {
    if (into.minor_version == 0) return refused("Transfer-Encoding in HTTP/1.0");
    if (!equal_ignoring_case(meaning.coding, "chunked")) {
      return refused("a transfer coding other than chunked", 501);
    }
    into.framing = Framing::chunked;
  } else if (meaning.lengths == 1) {
    if (!read_length(meaning.length, into.content_length)) return refused("a bad Content-Length");
    into.framing = into.content_length == 0 ? Framing::none : Framing::length;
  }
  into.keep_alive = !meaning.close && (into.minor_version == 1 || meaning.keep_alive);
  return fine;
}

// A head that is not complete within the limit never will be.
ParseOutcome settle(ParseOutcome outcome, std::size_t held) {
  if (outcome.state == Parsed::more && held >= max_head_bytes) {
    return refused("the head is too large", 431);
  }
  return outcome;
}

}  // namespace

ParseOutcome parse_request(std::string_view buffer, RequestHead& into) {
  auto in = buffer.substr(0, max_head_bytes);
  const std::size_t all = in.size();
  std::string_view line;
  into = RequestHead{};
  auto outcome = take_line(in, line);
  if (outcome.state == Parsed::more && all > max_target_bytes + 64) {
    return refused("the target is too long", 414);
  }
  if (outcome.state == Parsed::complete) outcome = read_request_line(line, into);
  if (outcome.state == Parsed::complete) outcome = read_fields(in, into.fields);
  if (outcome.state != Parsed::complete) return settle(outcome, all);
  const auto meaning = meaning_of(into.fields);
  if (meaning.hosts > 1) return refused("Host is given twice");
  if (meaning.hosts == 0 && into.minor_version == 1) return refused("Host is missing");
  if (meaning.expectations > 0) {
    if (meaning.expectations > 1 || !equal_ignoring_case(meaning.expectation, "100-continue")) {
      return refused("an expectation that cannot be met", 417);
    }
    into.expects_continue = into.minor_version == 1;
  }
  into.bytes = all - in.size();
  return read_framing(meaning, into);
}

ParseOutcome parse_response(std::string_view buffer, bool to_head, ResponseHead& into) {
  auto in = buffer.substr(0, max_head_bytes);
  const std::size_t all = in.size();
  std::string_view line;
  into = ResponseHead{};
  auto outcome = take_line(in, line);
  if (outcome.state == Parsed::complete) outcome = read_status_line(line, into);
  if (outcome.state == Parsed::complete) outcome = read_fields(in, into.fields);
  if (outcome.state != Parsed::complete) return settle(outcome, all);
  into.bytes = all - in.size();
  const auto meaning = meaning_of(into.fields);
  outcome = read_framing(meaning, into);
  if (outcome.state != Parsed::complete) return outcome;
  const bool bodiless =
      to_head || into.status < 200 || into.status == 204 || into.status == 304;
  if (bodiless) {
    into.framing = Framing::none;
  } else if (meaning.lengths + meaning.codings == 0) {
    into.framing = Framing::until_close;
    into.keep_alive = false;
  }
  return fine;
}

}  // namespace bessemer::http
