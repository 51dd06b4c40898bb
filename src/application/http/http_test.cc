// Tables for the codec: what is read, what is refused and why, and what is written.
#include <gtest/gtest.h>

#include "application/http/chunked.h"
#include "application/http/parse.h"
#include "application/http/problem.h"
#include "application/http/uri.h"
#include "application/http/write.h"
#include "base/json.h"
#include "base/random.h"

namespace bessemer::http {
namespace {

std::string with_host(const std::string& lines) {
  return "POST / HTTP/1.1\r\nHost: x\r\n" + lines + "\r\n";
}

TEST(ParseRequest, reads_a_head) {
  const std::string text =
      "POST /v1/chat%20x?a=b&c HTTP/1.1\r\nHost: example\r\nContent-Length: 12\r\n"
      "X-Empty:\r\nAccept:  a, b \t\r\n\r\nhello";
  RequestHead head;
  ASSERT_EQ(parse_request(text, head).state, Parsed::complete);
  EXPECT_EQ(head.method, Method::post);
  EXPECT_EQ(head.path, "/v1/chat%20x");
  EXPECT_EQ(head.query, "a=b&c");
  EXPECT_EQ(head.framing, Framing::length);
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.fields.find("accept"), "a, b");
  EXPECT_EQ(head.fields.find("x-empty"), "");
  EXPECT_FALSE(head.fields.find("absent"));
  EXPECT_EQ(text.substr(head.bytes), "hello");
}

TEST(ParseRequest, asks_for_more_at_every_cut) {
  const std::string text = with_host("Content-Length: 3\r\nExpect: 100-continue\r\n");
  RequestHead head;
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    EXPECT_EQ(parse_request(text.substr(0, cut), head).state, Parsed::more) << cut;
  }
  ASSERT_EQ(parse_request(text, head).state, Parsed::complete);
  EXPECT_TRUE(head.expects_continue);
}

struct Refused {
  const char* name;
  std::string text;
  int status;
};

TEST(ParseRequest, refuses_what_two_readers_could_understand_differently) {
  const Refused table[] = {
      {"equal lengths", with_host("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
      {"other lengths", with_host("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
      {"length list", with_host("Content-Length: 5, 5\r\n"), 400},
      {"signed length", with_host("Content-Length: +5\r\n"), 400},
      {"negative length", with_host("Content-Length: -1\r\n"), 400},
      {"hex length", with_host("Content-Length: 0x5\r\n"), 400},
      {"empty length", with_host("Content-Length:\r\n"), 400},
      {"inner space", with_host("Content-Length: 1 2\r\n"), 400},
      {"huge length", with_host("Content-Length: 9999999999999999999\r\n"), 400},
      {"CL and TE", with_host("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"TE and CL", with_host("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
      {"two TE", with_host("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"TE list", with_host("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {"TE identity", with_host("Transfer-Encoding: identity\r\n"), 501},
      {"TE vertical tab", with_host("Transfer-Encoding: \x0b" "chunked\r\n"), 400},
      {"TE in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"space before colon", with_host("Content-Length : 5\r\n"), 400},
      {"folded", with_host("X-A: 1\r\n 2\r\n"), 400},
      {"folded by tab", with_host("X-A: 1\r\n\t2\r\n"), 400},
      {"fold first", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400},
      {"bare LF", "GET / HTTP/1.1\nHost: x\n\n", 400},
      {"bare LF in fields", "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400},
      {"bare CR", with_host("X-A: a\rb\r\n"), 400},
      {"NUL", with_host(std::string("X-A: a\0b\r\n", 10)), 400},
      {"no colon", with_host("Nonsense\r\n"), 400},
      {"empty name", with_host(": x\r\n"), 400},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", with_host("Host: y\r\n"), 400},
      {"leading CRLF", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"space in target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"fragment", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"high byte", "GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"no slash", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"authority form", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"absolute without host", "GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"no version", "GET /\r\nHost: x\r\n\r\n", 400},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505},
      {"preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"bad method", "G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"TLS hello", std::string("\x16\x03\x01\x02\x00\x01\n", 7), 400},
      {"expectation", with_host("Expect: magic\r\n"), 417},
      {"long target", "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
      {"long target unfinished", "GET /" + std::string(9000, 'a'), 414},
      {"long head", with_host("X: " + std::string(17000, 'a') + "\r\n"), 431},
      {"many fields", with_host([] {
         std::string lines;
         for (int i = 0; i < 90; ++i) lines += "A: b\r\n";
         return lines;
       }()), 431},
  };
  for (const auto& [name, text, status] : table) {
    RequestHead head;
    const auto outcome = parse_request(text, head);
    EXPECT_EQ(outcome.state, Parsed::refused) << name;
    EXPECT_EQ(outcome.status, status) << name << ": " << outcome.why;
    EXPECT_STRNE(outcome.why, "") << name;
  }
}

TEST(ParseRequest, understands_the_connection_field) {
  const struct { const char* text; bool keep; } table[] = {
      {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: x\r\nConnection: x, CLOSE\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: x\r\nConnection: closed\r\n\r\n", true},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
  };
  for (const auto& [text, keep] : table) {
    RequestHead head;
    ASSERT_EQ(parse_request(text, head).state, Parsed::complete) << text;
    EXPECT_EQ(head.keep_alive, keep) << text;
  }
}

TEST(ParseRequest, drops_the_authority_of_an_absolute_target) {
  const struct { const char *target, *path, *query; } table[] = {
      {"http://h:1/a?b", "/a", "b"}, {"HTTPS://h", "/", ""}, {"/http://x", "/http://x", ""}};
  for (const auto& [target, path, query] : table) {
    const auto text = std::string("GET ") + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
    RequestHead head;
    ASSERT_EQ(parse_request(text, head).state, Parsed::complete) << target;
    EXPECT_EQ(head.path, path);
    EXPECT_EQ(head.query, query);
  }
}

TEST(ParseResponse, tells_how_the_body_ends) {
  const struct {
    const char* text;
    bool to_head;
    Framing framing;
    std::uint64_t length;
  } table[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, Framing::length, 5},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, Framing::none, 5},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", false, Framing::chunked, 0},
      {"HTTP/1.1 200 OK\r\n\r\n", false, Framing::until_close, 0},
      {"HTTP/1.1 204 No Content\r\n\r\n", false, Framing::none, 0},
      {"HTTP/1.1 304\r\nContent-Length: 9\r\n\r\n", false, Framing::none, 9},
      {"HTTP/1.1 100 Continue\r\n\r\n", false, Framing::none, 0},
  };
  for (const auto& [text, to_head, framing, length] : table) {
    ResponseHead head;
    ASSERT_EQ(parse_response(text, to_head, head).state, Parsed::complete) << text;
    EXPECT_EQ(head.framing, framing) << text;
    EXPECT_EQ(head.content_length, length) << text;
  }
  for (const char* text :
       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 999 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\n\n"}) {
    ResponseHead head;
    EXPECT_EQ(parse_response(text, false, head).state, Parsed::refused) << text;
  }
}

// The decoded body, or "!" and why, given in pieces of `step` bytes.
std::string decode(std::string_view text, std::size_t step, std::string& rest) {
  ChunkedDecoder decoder;
  std::string body, held;
  std::size_t given = 0;
  while (true) {
    std::string_view in = held, piece;
    const auto taken = decoder.next(in, piece);
    if (taken == ChunkedDecoder::Step::data) body += piece;
    held.erase(0, held.size() - in.size());
    if (taken == ChunkedDecoder::Step::refused) return std::string("!") + decoder.why();
    if (taken == ChunkedDecoder::Step::done) {
      rest = held + std::string(text.substr(given));
      return body;
    }
    if (taken != ChunkedDecoder::Step::more) continue;
    if (given == text.size()) return "!more";
    const auto next = text.substr(given, step);
    held += next;
    given += next.size();
  }
}

TEST(Chunked, decodes_in_any_pieces) {
  std::string text;
  append_chunk(text, "hello");
  append_chunk(text, std::string(300, 'x'));
  text += "3;name=\"v\"\r\nabc\r\n";
  text += "000\r\nX-Sum: 1\r\nY: 2\r\n\r\nGET";
  const auto body = "hello" + std::string(300, 'x') + "abc";
  for (std::size_t step = 1; step < text.size(); ++step) {
    std::string rest;
    EXPECT_EQ(decode(text, step, rest), body) << step;
    EXPECT_EQ(rest, "GET") << step;
  }
}

TEST(Chunked, refuses) {
  const std::string table[] = {
      "\r\n", "g\r\n", "-1\r\na\r\n", "+1\r\na\r\n", "0x1\r\na\r\n", " 1\r\na\r\n", "1 \r\na\r\n",
      "1\na\r\n", "1\r\nab\r\n", "1\r\na\n", "1\r\na\rX", "1\rX", "1;\nb\r\n", "1;a\x01\r\n",
      "fffffffffffffffff\r\n", "10000000000000000\r\n", "ffffffffffffffff\r\n",
      "00000000000000001\r\n", "1;" + std::string(300, 'a'), "0\r\nbad trailer\r\n",
      "0\r\n folded: x\r\n", "0\r\nA: \x02\r\n", "0\r\nA: b\n", "0\r\n\rX",
      "0\r\nA: " + std::string(5000, 'a'),
  };
  for (const auto& text : table) {
    std::string rest;
    const auto got = decode(text, 3, rest);
    EXPECT_TRUE(got.starts_with("!") && got != "!more") << text.substr(0, 20) << " -> " << got;
  }
}

TEST(Uri, decodes_paths) {
  EXPECT_EQ(decode_path("/").value(), (std::vector<std::string>{}));
  EXPECT_EQ(decode_path("/a/b%20c/%2Fd").value(), (std::vector<std::string>{"a", "b c", "/d"}));
  for (const char* bad : {"", "a", "//", "/a/", "/a//b", "/.", "/..", "/a/%2e%2E", "/%", "/%4",
                          "/%zz", "/%00", "/%ff", "/%c3"}) {
    EXPECT_FALSE(decode_path(bad)) << bad;
  }
  std::string many;
  for (int i = 0; i < 33; ++i) many += "/a";
  EXPECT_FALSE(decode_path(many));
}

TEST(Uri, decodes_queries) {
  const auto query = Query::decode("a=1&b=x+y%26z&c&&d=").value();
  EXPECT_EQ(*query.find("a"), "1");
  EXPECT_EQ(*query.find("b"), "x y&z");
  EXPECT_EQ(*query.find("c"), "");
  EXPECT_EQ(*query.find("d"), "");
  EXPECT_EQ(query.find("e"), nullptr);
  const auto twice = Query::decode("a=1&%61=2");
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().field, "a");
  EXPECT_FALSE(Query::decode("a=%f"));
  std::string out;
  append_encoded(out, "a b/\xc3\xa4~");
  EXPECT_EQ(out, "a%20b%2F%C3%A4~");
  EXPECT_EQ(decode_path("/" + out).value().at(0), "a b/\xc3\xa4~");
}

TEST(Write, heads_and_dates) {
  std::string out;
  append_status_line(out, 429);
  append_field(out, "a", "b");
  append_field(out, "n", std::uint64_t{18446744073709551615u});
  end_head(out);
  EXPECT_EQ(out, "HTTP/1.1 429 Too Many Requests\r\na: b\r\nn: 18446744073709551615\r\n\r\n");
  EXPECT_EQ(date_text(from_civil({1994, 11, 6, 8, 49, 37, 0})), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_TRUE(is_field_value("a b"));
  for (const char* bad : {" a", "a ", "a\r\nb: c", "a\nb", "\x7f"}) {
    EXPECT_FALSE(is_field_value(bad)) << bad;
  }
  EXPECT_DEATH(append_field(out, "a", "b\r\nc: d"), "end its line");
}

struct Status { Error error; int status; const char *type, *code, *should_retry; };

TEST(Problem, maps_each_code_to_one_status) {
  const Status table[] = {
      {invalid("x"), 400, "invalid_request_error", "invalid", nullptr},
      {unauthenticated("x"), 401, "authentication_error", "invalid_api_key", nullptr},
      {forbidden("x"), 403, "permission_error", "forbidden", nullptr},
      {not_found("x").because("model_not_found"), 404, "invalid_request_error", "model_not_found",
       nullptr},
      {conflict("x"), 409, "invalid_request_error", "conflict", "false"},
      {exhausted("x").because("budget_exhausted"), 429, "insufficient_quota", "insufficient_quota",
       "false"},
      {exhausted("x").retried(Retry::later, 1'500'000'000), 429, "rate_limit_error",
       "rate_limit_exceeded", "true"},
      {unavailable("x"), 503, "server_error", "unavailable", "true"},
      {internal("x"), 500, "server_error", "internal", "false"},
  };
  for (const auto& [error, status, type, code, should_retry] : table) {
    const auto refusal = refuse(error, Envelope::openai);
    EXPECT_EQ(refusal.status, status);
    EXPECT_NE(refusal.body.find("\"type\":\"" + std::string(type)), std::string::npos)
        << refusal.body;
    EXPECT_NE(refusal.body.find("\"code\":\"" + std::string(code)), std::string::npos)
        << refusal.body;
    const auto line = should_retry == nullptr
                          ? std::string("x-should-retry")
                          : "x-should-retry: " + std::string(should_retry) + "\r\n";
    EXPECT_EQ(refusal.fields.find(line) != std::string::npos, should_retry != nullptr) << status;
    EXPECT_EQ(code_of(status), error.code);
  }
  const auto slow = refuse(exhausted("x").retried(Retry::later, 1'500'000'000), Envelope::openai);
  EXPECT_NE(slow.fields.find("retry-after: 2\r\n"), std::string::npos);
}

TEST(Problem, each_envelope) {
  const Error error = invalid("must be at most \"64\"").at("spec.gpus").fix("ask for fewer");
  const auto problem = refuse(error, Envelope::problem, "req_1");
  EXPECT_EQ(problem.content_type, "application/problem+json");
  EXPECT_EQ(problem.body,
            R"({"type":"urn:bessemer:problem:invalid","title":"Bad Request","status":400,)"
            R"("code":"invalid",)"
            R"("detail":"must be at most \"64\"","field":"spec.gpus","remedy":"ask for fewer",)"
            R"("request":"req_1"})");
  const auto openai = refuse(error, Envelope::openai);
  EXPECT_EQ(openai.body,
            R"({"error":{"message":"must be at most \"64\"; ask for fewer",)"
            R"("type":"invalid_request_error","param":"spec.gpus","code":"invalid"}})");
  EXPECT_EQ(refuse(error, Envelope::inference).body,
            R"({"error":"must be at most \"64\"; ask for fewer"})");
  EXPECT_EQ(refuse(error, Envelope::problem, "", 413).status, 413);
}

TEST(Problem, keeps_what_went_wrong_inside_to_itself) {
  const auto error = internal("reading /secret/path: EIO").at("inner.field");
  for (const auto envelope : {Envelope::problem, Envelope::openai, Envelope::inference}) {
    const auto body = refuse(error, envelope, "req_7").body;
    EXPECT_EQ(body.find("secret"), std::string::npos) << body;
    EXPECT_EQ(body.find("inner"), std::string::npos) << body;
    EXPECT_NE(body.find("req_7"), std::string::npos) << body;
  }
}

// A head that parses means the same when it is written again field by field.
TEST(ParseRequest, survives_random_damage) {
  Random random(20);
  const std::string good =
      with_host("Content-Length: 3\r\nX-A: b\r\nConnection: close\r\n") + "abc";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (auto n = random.below(4) + 1; n > 0; --n) {
      text[random.below(text.size())] = static_cast<char>(random.below(256));
    }
    RequestHead head;
    if (parse_request(text, head).state != Parsed::complete) continue;
    std::string again;
    append_request_line(again, head.method_text, head.target);
    for (const auto& [name, value] : head.fields) append_field(again, name, value);
    end_head(again);
    RequestHead second;
    ASSERT_EQ(parse_request(again, second).state, Parsed::complete) << again;
    EXPECT_EQ(second.framing, head.framing);
    EXPECT_EQ(second.content_length, head.content_length);
    if (head.minor_version == 0) continue;
    EXPECT_EQ(second.keep_alive, head.keep_alive);
  }
}

}  // namespace
}  // namespace bessemer::http
