// A header with one of each fault: no SPDX line, no guard, and a core that knows the world.
// Words in comments, std::thread among them, are none, nor are those in literals.
#include <uv.h>
#include <thread>
#include "mrt/endpoint.h"
#include "mrt/uv/clock.h"
#include "clock.h"

inline const char* words = "rand() and std::mutex; 1'000";
inline auto now() { return std::chrono::steady_clock::now(); }
inline int dice() { return rand() % 6; }
inline int brand(int operand) { return operand; }
std::unordered_map<int, int> seen;
std::unordered_map<int, int> asked;  // unordered: only looked up
std::uniform_int_distribution<int> uniform;
/* std::mutex
   std::mutex */ std::mutex lock;
