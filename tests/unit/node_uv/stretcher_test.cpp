// SPDX-License-Identifier: MIT
#include "node/uv/stretcher.h"

#include <doctest/doctest.h>

#include <vector>

using namespace node::uv;

namespace {

mrt::Bytes bytes(std::string_view text) {
  const mrt::ByteView view = mrt::as_bytes(text);
  return {view.begin(), view.end()};
}

/// What came back, in order, as hexadecimal digits.
struct Fixture {
  Fixture() {
    REQUIRE(uv_loop_init(&loop) == 0);
    stretcher = std::make_unique<Stretcher>(&loop, [this](const auto& seed) {
      REQUIRE(seed);
      seeds.push_back(mrt::to_hex(seed->view()));
    });
  }
  ~Fixture() {
    stretcher.reset();
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
  }
  void run() { uv_run(&loop, UV_RUN_DEFAULT); }

  uv_loop_t loop{};
  std::unique_ptr<Stretcher> stretcher;
  std::vector<std::string> seeds;
};

std::string stretched(std::string_view password) {
  return mrt::to_hex(stun::stretched_rendezvous_seed("lab", bytes(password))->view());
}

}  // namespace

TEST_CASE("a password is stretched beside the loop, to what it is stretched to on it") {
  Fixture fixture;
  fixture.stretcher->stretch("lab", bytes("open up"));
  CHECK(fixture.seeds.empty());
  fixture.run();
  CHECK(fixture.seeds == std::vector{stretched("open up")});
}

TEST_CASE("of the passwords that come meanwhile only the last counts") {
  Fixture fixture;
  for (const char* password : {"one", "two", "three"}) {
    fixture.stretcher->stretch("lab", bytes(password));
  }
  fixture.run();
  CHECK(fixture.seeds == std::vector{stretched("three")});
}

TEST_CASE("who has gone is not called back") {
  Fixture fixture;
  fixture.stretcher->stretch("lab", bytes("open up"));
  fixture.stretcher.reset();
  fixture.run();
  CHECK(fixture.seeds.empty());
}
