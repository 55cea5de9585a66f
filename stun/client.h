// SPDX-License-Identifier: MIT
//
// Asks STUN servers which address they see (RFC 8489 section 6.2), several side by side, as a
// Machine (mrt/base/machine.h). It knows no sockets and draws no conclusions: that is Probe's.
//
// 1. Each query ends with one event, Answered, Failed or Returned, or by cancel().
// 2. An answer counts only with the transaction id of a query (96 bits that nobody else saw) and
//    from the address that the query expects it from. All else is counted and dropped.
// 3. A mapped address that cannot be anybody's is refused: is_believable().
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <variant>

#include "mrt/base/address.h"
#include "mrt/base/ids.h"
#include "mrt/base/machine.h"
#include "mrt/base/random.h"
#include "mrt/base/time.h"
#include "stun/message.h"

namespace stun {

using QueryId = mrt::Id<struct QueryIdTag>;

/// More than any discovery needs: eight servers, and four tests of each of two of them.
inline constexpr size_t queries_max = 16;
/// RFC 5780 section 5: "A client SHOULD NOT generate more than ten new STUN transactions per
/// second". To one server; others do not have to wait for it.
inline constexpr mrt::Duration query_spacing = std::chrono::milliseconds(100);

/// How often and how long: RFC 8489 section 6.2.1. Requests go after 0, 500, 1500, 3500, 7500,
/// 15500 and 31500 ms, and after 39500 ms nobody has answered.
struct Patience {
  mrt::Duration rto = std::chrono::milliseconds(500);  // doubles from one request to the next
  int requests = 7;                                    // Rc
  int last_wait = 16;                                  // Rm: so many first RTOs after the last one
  bool operator==(const Patience&) const = default;
};

/// The answer goes to another socket of ours (RESPONSE-PORT, RFC 5780 section 7.5).
struct Elsewhere {
  uint16_t mapped_port;  // where servers see that socket
  uint16_t local_port;   // its own
};

struct Query {
  mrt::Path path;            // from which socket, to which server
  mrt::Address answer_from;  // path.remote, or where `change` lets the answer come from
  Change change{};
  Patience patience{};
  std::optional<Elsewhere> elsewhere{};
  bool returns = false;  // sent to ourselves by way of the NAT: it is the request that comes back
};

enum class Failure : uint8_t {
  silence,   // nothing came
  refused,   // an error, with its code
  unusable,  // an answer without an address that could be believed
};

struct Answered {
  QueryId query;
  mrt::Path path;       // as it came: the local address is the socket's real one
  mrt::Address mapped;  // what the server sees of us
  mrt::Duration took;   // since the first request
  std::optional<mrt::Address> other_address{};
  std::optional<uint16_t> other_port{};
};
struct Failed {
  QueryId query;
  Failure why;
  uint16_t code = 0;  // of `refused`
};
/// The request of a query that `returns` has come to a socket of ours.
struct Returned {
  QueryId query;
};
using ClientEvent = std::variant<Answered, Failed, Returned>;

struct ClientStats {
  uint64_t requests_sent = 0;
  uint64_t answers = 0;
  uint64_t malformed = 0;     // no STUN message, or no answer
  uint64_t unexpected = 0;    // to no query of ours
  uint64_t strange = 0;       // to one of ours, from elsewhere than expected
  uint64_t unbelievable = 0;  // with a mapped address that cannot be
};

/// What a server may say of us, or of itself elsewhere: an address of its own family that can be
/// sent to. Loopback only where the server itself is there; link-local likewise; and never its own
/// address and port.
bool is_believable(const mrt::Address& mapped, const mrt::Address& server);

class Client {
 public:
  explicit Client(const mrt::Random::Seed& seed) : random_(seed) {}

  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes);
  void on_timeout(mrt::Instant now);

  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer);
  std::optional<ClientEvent> poll_event();
  mrt::Instant next_timeout() const;

  /// Nothing at queries_max, for a server that is not unicast, or without patience.
  std::optional<QueryId> ask(mrt::Instant now, const Query& query);
  void cancel(QueryId query) { running_.erase(query); }

  const ClientStats& stats() const { return stats_; }
  size_t running() const { return running_.size(); }
  bool is_consistent() const;

 private:
  struct Running {
    Query query;
    TransactionId id;
    int sent = 0;
    bool due = false;           // a request is to be sent
    mrt::Instant deadline{};    // of the next request, or of the end
    mrt::Instant first_sent{};  // once sent > 0
  };
  using Entry = std::map<QueryId, Running>::iterator;

  void on_datagram(mrt::Instant now, const mrt::Path& path, mrt::ByteView datagram);
  /// False where it is none of ours that was to come back.
  bool on_request(const TransactionId& id);
  void on_answer(mrt::Instant now, const mrt::Path& path, const Message& answer, Entry entry);
  Entry find(const TransactionId& id);
  /// When a new query to that server may begin, and that it will.
  mrt::Instant start_of(mrt::Instant now, const mrt::Address& server);
  void fail(Entry entry, Failure why, uint16_t code = 0);

  mrt::Random random_;
  std::map<QueryId, Running> running_;
  // When the last query to a host begins, of those within query_spacing.
  std::map<std::array<uint8_t, 16>, mrt::Instant> begun_;
  std::deque<ClientEvent> events_;
  QueryId next_id_{1};
  ClientStats stats_;
};

static_assert(mrt::Machine<Client>);

}  // namespace stun
