// SPDX-License-Identifier: MIT
#include "client/bench/options.h"

#include <doctest/doctest.h>

namespace client {

using Role = BenchOptions::Role;
using Words = std::vector<std::string>;

static BenchOptions accepted(const Words& words, const BenchTexts& texts) {
  std::string why;
  const auto options = parse_bench(words, texts, why);
  REQUIRE_MESSAGE(options, why);
  return *options;
}

static std::string refused(const Words& words, const BenchTexts& texts) {
  std::string why;
  CHECK_FALSE(parse_bench(words, texts, why));
  CHECK_FALSE(why.empty());
  CHECK(why.find('\n') == std::string::npos);
  return why;
}

static BenchTexts texts_of(std::string BenchTexts::*option, const std::string& text) {
  BenchTexts out;
  out.*option = text;
  return out;
}

TEST_CASE("bench alone is the table, and its words say what else") {
  CHECK(accepted({}, {}).role == Role::table);
  CHECK(accepted({"serve"}, {}).role == Role::serve);
  const BenchOptions ping = accepted({"ping", "there:7702"}, {});
  CHECK(ping.role == Role::ping);
  CHECK(ping.peer == "there:7702");
  CHECK(ping.count == 100);
}

TEST_CASE("bytes are a number, or thousands, millions and thousands of millions of them") {
  const std::pair<const char*, uint64_t> good[] = {
      {"1", 1}, {"64k", 64'000}, {"10M", 10'000'000}, {"2G", 2'000'000'000}};
  for (const auto& [text, value] : good) {
    CAPTURE(text);
    CHECK(accepted({"send", "a:1"}, texts_of(&BenchTexts::bytes, text)).bytes == value);
  }
  for (const char* text : {"0", "-1", "", "k", "1.5G", "1kk", "1x", "1 ", "18446744073709551616",
                           "18446744073709551615", "2000000G", "0x10"}) {
    CAPTURE(text);
    refused({"send", "a:1"}, texts_of(&BenchTexts::bytes, text));
  }
}

TEST_CASE("numbers outside of their bounds are mistakes") {
  struct Row {
    std::string BenchTexts::*option;
    std::vector<const char*> good, bad;
  };
  const Row rows[] = {
      {&BenchTexts::count, {"1", "10000000"}, {"0", "10000001", "1k", "x"}},
      {&BenchTexts::rate, {"0.01", "100", "99999.5"}, {"0", "-1", "1e3", "nan", "inf", "100001"}},
      {&BenchTexts::size, {"1", "65536"}, {"0", "65537"}},
      {&BenchTexts::congestion, {"model", "cubic"}, {"bbr", "Cubic"}},
  };
  for (const Row& row : rows) {
    for (const char* text : row.good) accepted({"ping", "a:1"}, texts_of(row.option, text));
    for (const char* text : row.bad) {
      CAPTURE(text);
      refused({"ping", "a:1"}, texts_of(row.option, text));
    }
  }
  CHECK(accepted({}, texts_of(&BenchTexts::seconds, "0.5")).duration ==
        std::chrono::milliseconds(500));
  refused({}, texts_of(&BenchTexts::seconds, "0.05"));
  refused({}, texts_of(&BenchTexts::seconds, "1e9"));
}

TEST_CASE("an option that means nothing for what was asked is a mistake") {
  CHECK(refused({"serve"}, texts_of(&BenchTexts::bytes, "5")).find("bench serve") !=
        std::string::npos);
  refused({"ping", "a:1"}, texts_of(&BenchTexts::seconds, "5"));
  refused({"send", "a:1"}, texts_of(&BenchTexts::count, "5"));
  refused({}, texts_of(&BenchTexts::bytes, "5"));
  BenchTexts both;
  both.bytes = both.seconds = "5";
  refused({"send", "a:1"}, both);
  refused({"send", "a:1"}, {});
  BenchTexts omitting = texts_of(&BenchTexts::omit, "0.5");
  refused({}, omitting);
  refused({"send", "a:1"}, omitting);
  omitting.seconds = "2";
  CHECK(accepted({"send", "a:1"}, omitting).omitted == std::chrono::milliseconds(500));
  omitting.omit = "-1";
  refused({"send", "a:1"}, omitting);
  refused({"send"}, texts_of(&BenchTexts::bytes, "5"));
  refused({"serve", "a:1"}, {});
  refused({"sing"}, {});
}

TEST_CASE("a peer is a host and a port") {
  const std::tuple<const char*, const char*, uint16_t> good[] = {
      {"127.0.0.1:7702", "127.0.0.1", 7702},
      {"localhost:1", "localhost", 1},
      {"[::1]:65535", "::1", 65535},
      {"bench.example.org:80", "bench.example.org", 80}};
  for (const auto& [text, host, port] : good) {
    const auto parts = split_host(text);
    REQUIRE_MESSAGE(parts, text);
    CHECK(parts->host == host);
    CHECK(parts->port == port);
  }
  for (const char* text : {"", ":", "a", "a:", ":1", "a:0", "a:65536", "a:x", "::1:5", "[]:1",
                           "[::1]", "[a]:1", "[::1:5", "::1]:5"}) {
    CAPTURE(text);
    CHECK_FALSE(split_host(text));
  }
}

}  // namespace client
