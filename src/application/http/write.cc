// Writes heads.
#include "application/http/write.h"

#include <algorithm>
#include <charconv>

#include "application/http/characters.h"
#include "base/check.h"

namespace bessemer::http {
namespace {

void append_number(std::string& out, std::uint64_t value) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end);
}

void append_padded(std::string& out, int value, int width) {
  std::string digits = std::to_string(value);
  while (static_cast<int>(digits.size()) < width) digits.insert(digits.begin(), '0');
  out += digits;
}

}  // namespace

std::string_view reason_of(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

void append_status_line(std::string& out, int status) {
  check(status >= 100 && status <= 599, "http: a status that does not exist");
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(status));
  out += ' ';
  out += reason_of(status);
  out += "\r\n";
}

void append_request_line(std::string& out, std::string_view method, std::string_view target) {
  const auto plain = [](char c) { return c > ' ' && c <= '~'; };
  check(std::all_of(method.begin(), method.end(), is_token_char), "http: method");
  check(std::all_of(target.begin(), target.end(), plain), "http: target");
  check(!method.empty() && !target.empty(), "http: an empty request line");
  out += method;
  out += ' ';
  out += target;
  out += " HTTP/1.1\r\n";
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  check(is_field_value(value), "http: a field's value would end its line");
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
}

void append_field(std::string& out, std::string_view name, std::uint64_t value) {
  out += name;
  out += ": ";
  append_number(out, value);
  out += "\r\n";
}

void end_head(std::string& out) { out += "\r\n"; }

bool is_field_value(std::string_view text) {
  if (text.empty()) return true;
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  return !space(text.front()) && !space(text.back()) &&
         std::all_of(text.begin(), text.end(), is_text_char);
}

std::string date_text(Instant at) {
  constexpr std::string_view weekdays[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto civil = to_civil(at);
  const auto day = at.ns / days(1).ns;
  std::string out(weekdays[static_cast<std::size_t>((day % 7 + 7) % 7)]);
  out += ", ";
  append_padded(out, civil.day, 2);
  out += ' ';
  out += months[static_cast<std::size_t>(civil.month - 1)];
  out += ' ';
  append_padded(out, civil.year, 4);
  out += ' ';
  append_padded(out, civil.hour, 2);
  out += ':';
  append_padded(out, civil.minute, 2);
  out += ':';
  append_padded(out, civil.second, 2);
  return out + " GMT";
}

}  // namespace bessemer::http
