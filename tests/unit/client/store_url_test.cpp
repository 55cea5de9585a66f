// SPDX-License-Identifier: MIT
#include "client/store_url.h"

#include <doctest/doctest.h>

#include "client/options.h"

namespace client {

TEST_CASE("a store's URL has a host, and may have the rest") {
  const std::pair<std::string, stun::uv::RedisServer> good[] = {
      {"redis://store.example", {"store.example", 6379, "", "", 0}},
      {"redis://192.0.2.1:6380/3", {"192.0.2.1", 6380, "", "", 3}},
      {"redis://[2001:db8::1]", {"2001:db8::1", 6379, "", "", 0}},
      {"redis://[2001:db8::1]:1/", {"2001:db8::1", 1, "", "", 0}},
      {"redis://:open%20sesame@h:2/9", {"h", 2, "", "open sesame", 9}},
      {"redis://anna:a:b@c%40d@h", {"h", 6379, "anna", "a:b@c@d", 0}}};
  for (const auto& [text, server] : good) {
    CAPTURE(text);
    std::string why;
    CHECK(parse_store(text, why) == server);
    CHECK(why.empty());
  }
}

TEST_CASE("what is no store's URL is told why, without what may be a password") {
  for (const std::string text :
       {"", "redis://", "redis:store", "store:6379", "http://secret@h", "rediss://:secret@h",
        "redis://secret@h", "redis://:@h", "redis://:secret%4@h", "redis://:secret%zz@h",
        "redis://:secret@", "redis://:secret@:1", "redis://:secret@h:0", "redis://:secret@h:70000",
        "redis://:secret@h:1x", "redis://:secret@h/x", "redis://:secret@h/10000",
        "redis://:secret@[::1", "redis://:secret@[::1]x", "redis://:secret", "redis://ann:secret",
        "redis://:secret/1", "redis://[:secret", "redis://:secret@h?x=1", "redis://:secret@h#x"}) {
    CAPTURE(text);
    std::string why;
    CHECK_FALSE(parse_store(text, why));
    CHECK(why.starts_with("--store"));
    CHECK(why.find("secret") == std::string::npos);
  }
}

TEST_CASE("a password is taken out of the list of arguments and nothing else is") {
  std::string texts[] = {"rendezvous", "--store=redis://:open@sesame@h:1", "--nick", "a@b",
                         "redis://h:1"};
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  hide_passwords(arguments.data(), arguments.data() + arguments.size());
  CHECK(texts[1] == "--store=redis://************@h:1");
  CHECK(texts[0] + texts[2] + texts[3] + texts[4] == "rendezvous--nicka@bredis://h:1");
}

TEST_CASE("what is wrong and has no '@' may be a password, and is taken out") {
  for (const std::string text : {"redis://:secret", "redis://ann:secret", "redis://:secret/1"}) {
    std::string argument = "--store=" + text;
    char* arguments[] = {argument.data()};
    hide_passwords(arguments, arguments + 1);
    CHECK(argument == "--store=redis://" + std::string(text.size() - 8, '*'));
  }
}

TEST_CASE("the store may stand in the environment; the option counts") {
  const Environment environment = {
      {"HOME", "/"}, {"LOGNAME", "ann"}, {"THUBAN_STORE", "redis://e"}};
  const auto host = [&](const std::vector<std::string>& arguments) {
    const auto parsed = parse_options(arguments, environment);
    const auto* const options = std::get_if<Options>(&parsed);
    return options == nullptr ? "usage" : options->store ? options->store->host : "";
  };
  CHECK(host({"rendezvous"}) == "e");
  CHECK(host({"rendezvous", "--store", "redis://o"}) == "o");
  CHECK(host({"rendezvous", "--store", "o"}) == "usage");
  CHECK(host({"host"}).empty());
  CHECK(host({"host", "--store", "redis://o"}) == "usage");
}

}  // namespace client
