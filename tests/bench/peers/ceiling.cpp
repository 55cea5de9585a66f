// SPDX-License-Identifier: MIT
//
// What UDP on loopback can do at most with two cores: one sends, one receives, with a perfect
// flow control in shared memory, so that nothing is lost and nothing is sent again.
//
//   ceiling MODE SIZE SECONDS
//     gso        UDP_SEGMENT and UDP_GRO batches of up to 64 KB, payload untouched
//     gso-copy   the same and one copy of the payload on each side
//     gso-xxh3   the same, a copy and a 64-bit XXH3 checksum a packet on each side
//     gso-aes    the same, each packet sealed and opened with AES-128-GCM (OpenSSL)
//     mmsg, mmsg-aes   sendmmsg and recvmmsg of 32 packets, without GSO and GRO
//
// SIZE is the UDP payload of a packet, header (8) and tag (16) included.
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bench/peers/peer.h"

namespace {

constexpr size_t head_bytes = 8, tag_bytes = 16, batch_bytes_max = 65'536;
constexpr size_t mmsg_packets = 32;
constexpr size_t gso_reads = 4;
constexpr uint64_t ahead_bytes_max = 2 << 20;  // of what was received: within the socket's buffer

enum class Work { none, copy, aes, xxh3 };

struct Mode {
  bool gso = false;
  Work work = Work::none;
  size_t packet_bytes = 0;
};

struct Shared {
  std::atomic<uint64_t> sent{0}, received{0};
  std::atomic<bool> stop{false};
};

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

/// Seals or opens a packet (head | body | tag) out of or into the application's buffer.
class Codec {
 public:
  Codec(Work work, bool seals) : work_(work), seals_(seals), cipher_(EVP_CIPHER_CTX_new()) {
    const uint8_t key[16] = {1, 2, 3};
    EVP_CipherInit_ex(cipher_, EVP_aes_128_gcm(), nullptr, key, nullptr, seals ? 1 : 0);
  }
  void run(uint8_t* packet, size_t size, uint64_t number) {
    if (work_ == Work::none || size < head_bytes + tag_bytes) return;
    const size_t body_bytes = size - head_bytes - tag_bytes;
    uint8_t* const body = packet + head_bytes;
    uint8_t* const tag = body + body_bytes;
    if (seals_) {
      std::memcpy(packet, &number, sizeof number);
    } else {
      std::memcpy(&number, packet, sizeof number);
    }
    const uint8_t* const from = seals_ ? side_.data() : body;
    uint8_t* const to = seals_ ? body : side_.data();
    if (work_ == Work::aes) {
      run_aes(packet, from, to, body_bytes, tag, number);
    } else {
      std::memcpy(to, from, body_bytes);
      if (work_ == Work::xxh3) run_sum(to, body_bytes, tag, number);
    }
  }

 private:
  void run_aes(const uint8_t* head, const uint8_t* from, uint8_t* to, size_t body_bytes,
               uint8_t* tag, uint64_t number) {
    uint8_t nonce[12] = {};
    std::memcpy(nonce, &number, sizeof number);
    constexpr auto tag_size = static_cast<int>(tag_bytes);
    int written = 0;
    EVP_CipherInit_ex(cipher_, nullptr, nullptr, nullptr, nonce, -1);
    if (!seals_) EVP_CIPHER_CTX_ctrl(cipher_, EVP_CTRL_AEAD_SET_TAG, tag_size, tag);
    EVP_CipherUpdate(cipher_, nullptr, &written, head, static_cast<int>(head_bytes));
    EVP_CipherUpdate(cipher_, to, &written, from, static_cast<int>(body_bytes));
    if (EVP_CipherFinal_ex(cipher_, to + body_bytes, &written) != 1) peer::fail("bad tag");
    if (seals_) EVP_CIPHER_CTX_ctrl(cipher_, EVP_CTRL_AEAD_GET_TAG, tag_size, tag);
  }
  void run_sum(const uint8_t* body, size_t body_bytes, uint8_t* tag, uint64_t number) const {
    const uint64_t sum = XXH3_64bits_withSeed(body, body_bytes, number);
    uint64_t told = 0;
    std::memcpy(&told, tag, sizeof told);
    if (seals_) {
      std::memcpy(tag, &sum, sizeof sum);
    } else if (sum != told) {
      peer::fail("bad checksum");
    }
  }

  Work work_;
  bool seals_;
  EVP_CIPHER_CTX* cipher_;
  std::vector<uint8_t> side_ = std::vector<uint8_t>(batch_bytes_max);  // the application's buffer
};

size_t segment_size(msghdr& header, size_t whole) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(c), sizeof size);
    return static_cast<size_t>(size);
  }
  return whole;
}

[[noreturn]] void receive(int fd, Shared& shared, const Mode& mode) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin(1);
  const int one = 1;
  if (mode.gso) setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof one);
  Codec codec(mode.work, false);
  std::vector<uint8_t> buffer(mmsg_packets * batch_bytes_max);
  mmsghdr messages[mmsg_packets] = {};
  iovec pieces[mmsg_packets];
  char control[mmsg_packets][64];
  const size_t wanted = mode.gso ? gso_reads : mmsg_packets;
  while (!shared.stop) {
    for (size_t i = 0; i < wanted; ++i) {
      pieces[i] = {buffer.data() + i * batch_bytes_max, batch_bytes_max};
      messages[i].msg_hdr = {nullptr, 0, &pieces[i], 1, control[i], sizeof control[i], 0};
    }
    const int got = recvmmsg(fd, messages, static_cast<unsigned>(wanted), MSG_WAITFORONE, nullptr);
    uint64_t total = 0;
    for (size_t i = 0; got > 0 && i < static_cast<size_t>(got); ++i) {
      const size_t size = messages[i].msg_len;
      const size_t segment = segment_size(messages[i].msg_hdr, size);
      auto* const bytes = static_cast<uint8_t*>(pieces[i].iov_base);
      for (size_t at = 0; at < size; at += segment) {
        codec.run(bytes + at, std::min(segment, size - at), 0);
      }
      total += size;
    }
    shared.received += total;
  }
  _exit(0);
}

/// Waits until the receiver has kept up.
void keep_step(const Shared& shared) {
  for (double since = 0; shared.sent - shared.received > ahead_bytes_max; sched_yield()) {
    if (since == 0) since = peer::now();
    if (peer::now() - since > 1) peer::fail("packets were lost");
  }
}

void send(int fd, Shared& shared, const Mode& mode, double seconds) {
  pin(0);
  Codec codec(mode.work, true);
  const size_t count = mode.gso ? std::min<size_t>(64, 65'000 / mode.packet_bytes) : mmsg_packets;
  std::vector<uint8_t> buffer(count * mode.packet_bytes);
  mmsghdr messages[mmsg_packets] = {};
  iovec pieces[mmsg_packets];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = {};
  if (mode.gso) {
    pieces[0] = {buffer.data(), buffer.size()};
    messages[0].msg_hdr = {nullptr, 0, pieces, 1, control, sizeof control, 0};
    cmsghdr* const c = CMSG_FIRSTHDR(&messages[0].msg_hdr);
    c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    const auto size = static_cast<uint16_t>(mode.packet_bytes);
    std::memcpy(CMSG_DATA(c), &size, sizeof size);
  } else {
    for (size_t i = 0; i < count; ++i) {
      pieces[i] = {buffer.data() + i * mode.packet_bytes, mode.packet_bytes};
      messages[i].msg_hdr = {nullptr, 0, &pieces[i], 1, nullptr, 0, 0};
    }
  }
  uint64_t number = 0;
  for (const double end = peer::now() + seconds; peer::now() < end;) {
    for (size_t i = 0; i < count; ++i) {
      codec.run(buffer.data() + i * mode.packet_bytes, mode.packet_bytes, number++);
    }
    const int sent = sendmmsg(fd, messages, mode.gso ? 1 : static_cast<unsigned>(count), 0);
    const size_t packet_bytes = mode.gso ? buffer.size() : mode.packet_bytes;
    if (sent > 0) shared.sent += static_cast<uint64_t>(sent) * packet_bytes;
    keep_step(shared);
  }
}

Mode parse(const char* name, const char* size) {
  const std::string_view mode = name;
  const auto has = [&](const char* word) { return mode.find(word) != mode.npos; };
  Mode out;
  out.gso = mode.starts_with("gso");
  out.work = has("aes")    ? Work::aes
             : has("xxh3") ? Work::xxh3
             : has("copy") ? Work::copy
                           : Work::none;
  out.packet_bytes = std::strtoul(size, nullptr, 10);
  if (out.packet_bytes < head_bytes + tag_bytes || out.packet_bytes > 65'000) peer::fail("size");
  return out;
}

/// The receiver's socket and the sender's, connected to it.
std::pair<int, int> open_sockets() {
  const int force = 32 << 20;
  const int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
  setsockopt(receiver, SOL_SOCKET, SO_RCVBUFFORCE, &force, sizeof force);
  setsockopt(sender, SOL_SOCKET, SO_SNDBUFFORCE, &force, sizeof force);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(receiver, generic, size) != 0 || getsockname(receiver, generic, &size) != 0 ||
      connect(sender, generic, size) != 0) {
    peer::fail("socket");
  }
  return {receiver, sender};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: ceiling MODE SIZE SECONDS\n");
    return 2;
  }
  const Mode mode = parse(argv[1], argv[2]);
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) peer::fail("memory");
  auto& shared = *new (memory) Shared;
  const auto [receiver, sender] = open_sockets();
  const pid_t child = fork();
  if (child == 0) receive(receiver, shared, mode);
  const double begin = peer::now();
  send(sender, shared, mode, std::atof(argv[3]));
  const double span = peer::now() - begin, cpu = peer::usage().cpu_seconds;
  shared.stop = true;
  kill(child, SIGTERM);
  rusage used{};
  wait4(child, nullptr, 0, &used);
  const double received = static_cast<double>(shared.received);
  const double receiver_cpu =
      static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
      static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
  std::printf(
      "{\"mode\":\"%s\",\"size\":%zu,\"mbps\":%.0f,\"kpps\":%.0f,\"bytes\":%.0f,\"cpu\":%.3f}\n",
      argv[1], mode.packet_bytes, received * 8e-6 / span,
      received / static_cast<double>(mode.packet_bytes) / span * 1e-3, received,
      cpu + receiver_cpu);
}
