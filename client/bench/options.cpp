// SPDX-License-Identifier: MIT
#include "client/bench/options.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "client/text.h"

namespace client {

namespace {

using Role = BenchOptions::Role;

// A petabyte: a day at 100 Gb/s.
constexpr uint64_t bytes_max = 1'000'000'000'000'000;
constexpr double seconds_max = 86'400;
// What a peer accepts at once by default (mrt::EndpointConfig::streams_open_max).
constexpr uint64_t streams_max = 64;
// Each message's time is kept until the end: 16 bytes.
constexpr uint64_t count_max = 10'000'000;
constexpr double rate_max = 100'000;  // beyond, timers of a millisecond send bulk
constexpr uint64_t size_max = 65'536;

struct Mistake {
  std::string text;
};

/// "1500", and "64k", "10M", "2G" in powers of ten, as links are sold.
uint64_t whole(std::string_view option, const std::string& text, uint64_t high,
               bool suffixed = false) {
  uint64_t value = 0;
  const char* const stop = text.data() + text.size();
  auto [end, error] = std::from_chars(text.data(), stop, value);
  uint64_t factor = 1;
  if (suffixed && error == std::errc() && end + 1 == stop) {
    factor = *end == 'k' ? 1'000 : *end == 'M' ? 1'000'000 : *end == 'G' ? 1'000'000'000 : 0;
    ++end;
  }
  const bool good =
      error == std::errc() && end == stop && factor > 0 && value > 0 && value <= high / factor;
  if (!good) {
    throw Mistake{
        fmt::format("{} takes a number from 1 to {}, not '{}'", option, high, clean(text, 40))};
  }
  return value * factor;
}

mrt::Duration seconds_of(double seconds) {
  return std::chrono::duration_cast<mrt::Duration>(std::chrono::duration<double>(seconds));
}

double real(std::string_view option, const std::string& text, double low, double high) {
  double value = 0;
  const char* const stop = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), stop, value, std::chars_format::fixed);
  if (error != std::errc() || end != stop || !(value >= low && value <= high)) {
    throw Mistake{fmt::format("{} takes a number from {} to {}, not '{}'", option, low, high,
                              clean(text, 40))};
  }
  return value;
}

mrt::CongestionControl congestion_of(const std::string& word) {
  if (word == "model") return mrt::CongestionControl::model;
  if (word == "cubic") return mrt::CongestionControl::cubic;
  throw Mistake{fmt::format("--congestion takes model or cubic, not '{}'", clean(word, 40))};
}

Role role_of(const std::string& word) {
  if (word == "serve") return Role::serve;
  if (word == "send") return Role::send;
  if (word == "ping") return Role::ping;
  throw Mistake{
      fmt::format("bench takes serve, send or ping, or nothing, not '{}'", clean(word, 40))};
}

void take_words(BenchOptions& out, const std::vector<std::string>& words) {
  if (words.empty()) return;
  out.role = role_of(words[0]);
  size_t used = 1;
  if (out.role != Role::serve) {
    if (words.size() < 2) throw Mistake{fmt::format("bench {} needs HOST:PORT", words[0])};
    if (!split_host(words[1])) {
      throw Mistake{fmt::format("'{}' is not HOST:PORT", clean(words[1], 60))};
    }
    out.peer = words[1];
    used = 2;
  }
  if (words.size() > used) {
    throw Mistake{fmt::format("'{}' is one argument too many", clean(words[used], 40))};
  }
}

void check_fit(const BenchOptions& out, const BenchTexts& texts) {
  static constexpr std::string_view names[] = {"bench", "bench serve", "bench send", "bench ping"};
  const auto only = [&](const std::string& text, std::string_view option, bool fits) {
    if (text.empty() || fits) return;
    throw Mistake{
        fmt::format("{} means nothing for {}", option, names[static_cast<size_t>(out.role)])};
  };
  const bool send = out.role == Role::send;
  const bool ping = out.role == Role::ping;
  only(texts.bytes, "--bytes", send);
  only(texts.seconds, "--seconds", send || out.role == Role::table);
  only(texts.omit, "--omit", send);
  only(texts.streams, "--streams", send);
  only(texts.count, "--count", ping);
  only(texts.rate, "--rate", ping);
  only(texts.size, "--size", ping);
  if (!send) return;
  if (texts.bytes.empty() && texts.seconds.empty()) {
    throw Mistake{"bench send needs --bytes N or --seconds S"};
  }
  if (!texts.bytes.empty() && !texts.seconds.empty()) {
    throw Mistake{"--bytes and --seconds contradict each other: leave one out"};
  }
  if (!texts.omit.empty() && texts.seconds.empty()) throw Mistake{"--omit needs --seconds S"};
}

}  // namespace

std::string_view BenchTexts::given() const {
  const std::pair<std::string_view, const std::string&> all[] = {
      {"--bytes", bytes}, {"--seconds", seconds}, {"--omit", omit}, {"--streams", streams},
      {"--count", count}, {"--rate", rate},       {"--size", size}, {"--congestion", congestion}};
  for (const auto& [name, text] : all) {
    if (!text.empty()) return name;
  }
  return {};
}

std::optional<BenchOptions> parse_bench(const std::vector<std::string>& words,
                                        const BenchTexts& texts, std::string& why) {
  try {
    BenchOptions out;
    take_words(out, words);
    check_fit(out, texts);
    if (!texts.bytes.empty()) out.bytes = whole("--bytes", texts.bytes, bytes_max, true);
    if (!texts.seconds.empty()) {
      out.duration = seconds_of(real("--seconds", texts.seconds, 0.1, seconds_max));
    }
    if (!texts.omit.empty()) out.omitted = seconds_of(real("--omit", texts.omit, 0, seconds_max));
    if (!texts.streams.empty()) out.streams = whole("--streams", texts.streams, streams_max);
    if (!texts.count.empty()) out.count = whole("--count", texts.count, count_max);
    if (!texts.rate.empty()) out.rate = real("--rate", texts.rate, 0.01, rate_max);
    if (!texts.size.empty()) out.size = whole("--size", texts.size, size_max);
    if (!texts.congestion.empty()) out.congestion = congestion_of(texts.congestion);
    return out;
  } catch (const Mistake& mistake) {
    why = mistake.text;
    return std::nullopt;
  }
}

std::optional<HostPort> split_host(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool bracketed = host.front() == '[';
  if (bracketed != (host.back() == ']')) return std::nullopt;
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0) {
    return std::nullopt;
  }
  return HostPort{std::string(host), port};
}

}  // namespace client
