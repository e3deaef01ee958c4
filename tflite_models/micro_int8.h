// micro_int8.tflite as C++, made by tfprune 0.1.0. 22832 bytes, SHA-256:
// 85c23660eb047dca8f1506b24ad0e1a6b66233fe526b58d32d6db6c66c76c844
//
// To run it with TensorFlow Lite Micro:
//
//   static tflite::MicroMutableOpResolver<micro_int8_operations> resolver;
//   micro_int8_add_operations(resolver);
//   alignas(16) static uint8_t arena[micro_int8_arena_bytes];
//   static tflite::MicroInterpreter interpreter(tflite::GetModel(micro_int8), resolver, arena, micro_int8_arena_bytes);
//   interpreter.AllocateTensors();
#ifndef MICRO_INT8_H_
#define MICRO_INT8_H_

#include <stddef.h>
#include <stdint.h>

alignas(16) extern const unsigned char micro_int8[];
extern const size_t micro_int8_len;

// The smallest tensor arena, measured with the reference kernels on a machine with 64-bit pointers. With
// optimised kernels (CMSIS-NN, ESP-NN) more may be needed: interpreter.arena_used_bytes() tells.
constexpr size_t micro_int8_arena_bytes = 7584;

// The operations that the model needs.
constexpr unsigned int micro_int8_operations = 5;
template <typename Resolver>
inline void micro_int8_add_operations(Resolver& resolver) {
  resolver.AddConv2D();
  resolver.AddFullyConnected();
  resolver.AddMaxPool2D();
  resolver.AddReshape();
  resolver.AddSoftmax();
}

// input 0, image: int8 [1 x 28 x 28 x 1], step 1, zero at -128
constexpr size_t micro_int8_input_0_values = 784;
// real value = scale * (integer - zero_point)
constexpr float micro_int8_input_0_scale = 1.0f;
constexpr int micro_int8_input_0_zero_point = -128;

// output 0, output_0: int8 [1 x 10], step 0.00390625, zero at -128
constexpr size_t micro_int8_output_0_values = 10;
// real value = scale * (integer - zero_point)
constexpr float micro_int8_output_0_scale = 0.00390625f;
constexpr int micro_int8_output_0_zero_point = -128;

#endif  // MICRO_INT8_H_
