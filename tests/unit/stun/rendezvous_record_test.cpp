// SPDX-License-Identifier: MIT
#include "stun/rendezvous_record.h"

#include <doctest/doctest.h>

#include "support/vectors.h"

using namespace stun;
using mrt::Address;
using mrt::Bytes;

namespace {

const mrt::test::Vector& record_vector(const std::string& name) {
  static const auto all = mrt::test::read_vectors();
  return all.at(name);
}

RendezvousRecord some_record() {
  RendezvousRecord out;
  for (uint8_t i = 0; i < 16; ++i) out.home[i] = static_cast<uint8_t>(0xd0 + i);
  out.seen = Address::v4(198, 51, 100, 7, 7700);
  out.life_ms = 45'000;
  out.registration =
      std::get<Registration>(*parse_rendezvous(record_vector("rendezvous-registration").bytes));
  return out;
}

}  // namespace

TEST_CASE("what servers share is what the document says") {
  const Bytes& record = record_vector("rendezvous-record").bytes;
  CHECK(mrt::to_hex(write_record(some_record())) == mrt::to_hex(record));
  CHECK(parse_record(record) == some_record());
  const Bytes& far = record_vector("rendezvous-far-introduction").bytes;
  const FarIntroduction said{
      some_record().registration.id, some_record().registration.node,
      std::get<Introduction>(*parse_rendezvous(record_vector("rendezvous-introduction").bytes))};
  CHECK(mrt::to_hex(write_far_introduction(said)) == mrt::to_hex(far));
  CHECK(parse_far_introduction(far) == said);
}

TEST_CASE("what was cut or grown, or is another message, is no record") {
  const Bytes record = write_record(some_record());
  const Bytes far = record_vector("rendezvous-far-introduction").bytes;
  for (size_t size = 0; size < record.size(); ++size) {
    CHECK_FALSE(parse_record(mrt::ByteView(record).first(size)));
  }
  for (size_t size = 0; size < far.size(); ++size) {
    CHECK_FALSE(parse_far_introduction(mrt::ByteView(far).first(size)));
  }
  for (Bytes bytes : {record, far}) {
    bytes.push_back(0);
    CHECK_FALSE(parse_record(bytes));
    CHECK_FALSE(parse_far_introduction(bytes));
  }
  CHECK_FALSE(parse_record(far));
  CHECK_FALSE(parse_far_introduction(record));
  Bytes newer = record;
  newer[0] = 2;
  CHECK_FALSE(parse_record(newer));
}

TEST_CASE("a record at its longest has room") {
  RendezvousRecord record = some_record();
  const Address six = *Address::parse("[2001:db8::1]:7700");
  record.seen = six;
  record.registration.told.assign(told_max, six);
  const Bytes bytes = write_record(record);
  CHECK(bytes.size() <= record_bytes_max);
  CHECK(parse_record(bytes) == record);
  // An IPv4 address in the form of the other family is another spelling.
  record.seen = Address::v4(192, 0, 2, 1, 1);
  Bytes mapped = write_record(record);
  mapped[17] = 6;
  mapped.insert(mapped.begin() + 18, record.seen.ip.begin(), record.seen.ip.begin() + 12);
  CHECK_FALSE(parse_record(mapped));
}
