/* Runs tensors of a SavedModel with TensorFlow's C API, as a program in another language would.
 *
 *     run_signature FOLDER { feed OPERATION INDEX TYPE SHAPE FILE | fetch OPERATION INDEX FILE }...
 *
 * TYPE is the number of a TF_DataType, SHAPE a list as 4,28,28,1, empty for a scalar. A file holds a tensor as it lies in
 * memory; one of strings holds for each its length, as uint64, and its bytes. Every fetch prints its type and shape.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

#define MOST_TENSORS 16
#define MOST_DIMENSIONS 8

static void require(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "run_signature: %s\n", what);
  exit(1);
}

static void require_ok(const TF_Status *status) { require(TF_GetCode(status) == TF_OK, TF_Message(status)); }

static void read_bytes(FILE *file, void *target, size_t size) {
  require(fread(target, 1, size, file) == size, "an input's file is too short");
}

static void read_string(FILE *file, TF_TString *target) {
  uint64_t length;
  read_bytes(file, &length, sizeof length);
  char *bytes = malloc(length + 1);
  require(bytes != NULL, "no memory");
  read_bytes(file, bytes, length);
  TF_StringInit(target);
  TF_StringCopy(target, bytes, length);
  free(bytes);
}

static TF_Tensor *read_tensor(TF_DataType type, char *shape, const char *path) {
  int64_t dimensions[MOST_DIMENSIONS], elements = 1;
  int rank = 0;
  for (char *size = strtok(shape, ","); size; size = strtok(NULL, ",")) {
    require(rank < MOST_DIMENSIONS, "too many dimensions");
    elements *= dimensions[rank++] = atoll(size);
  }
  size_t size = elements * (type == TF_STRING ? sizeof(TF_TString) : TF_DataTypeSize(type));
  TF_Tensor *tensor = TF_AllocateTensor(type, dimensions, rank, size);
  FILE *file = fopen(path, "rb");
  require(tensor && file, "an input cannot be read");
  if (type == TF_STRING)
    for (int64_t n = 0; n < elements; n++) read_string(file, (TF_TString *)TF_TensorData(tensor) + n);
  else
    read_bytes(file, TF_TensorData(tensor), size);
  require(fgetc(file) == EOF, "an input's file is too long");
  fclose(file);
  return tensor;
}

static void write_tensor(const TF_Tensor *tensor, const char *path) {
  FILE *file = fopen(path, "wb");
  require(file != NULL, "an output cannot be written");
  if (TF_TensorType(tensor) == TF_STRING) {
    const TF_TString *strings = TF_TensorData(tensor);
    for (int64_t n = 0; n < TF_TensorElementCount(tensor); n++) {
      uint64_t length = TF_StringGetSize(strings + n);
      fwrite(&length, sizeof length, 1, file);
      fwrite(TF_StringGetDataPointer(strings + n), 1, length, file);
    }
  } else {
    fwrite(TF_TensorData(tensor), 1, TF_TensorByteSize(tensor), file);
  }
  require(fclose(file) == 0, "an output cannot be written");
  printf("%d ", TF_TensorType(tensor));
  for (int n = 0; n < TF_NumDims(tensor); n++) printf(n ? ",%lld" : "%lld", (long long)TF_Dim(tensor, n));
  printf("\n");
}

static TF_Output find(TF_Graph *graph, char **names) {
  TF_Output output = {TF_GraphOperationByName(graph, names[0]), atoi(names[1])};
  require(output.oper != NULL, "the graph has no operation of that name");
  return output;
}

int main(int count, char **arguments) {
  require(count > 1, "which folder?");
  const char *tags[] = {"serve"}, *files[MOST_TENSORS];
  TF_Output inputs[MOST_TENSORS], outputs[MOST_TENSORS];
  TF_Tensor *fed[MOST_TENSORS], *fetched[MOST_TENSORS];
  int feeds = 0, fetches = 0;
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, arguments[1], tags, 1, graph, NULL, status);
  require_ok(status);

  for (char **next = arguments + 2; next < arguments + count;) {
    require(feeds < MOST_TENSORS && fetches < MOST_TENSORS, "too many tensors");
    if (strcmp(next[0], "feed") == 0 && arguments + count - next >= 6) {
      inputs[feeds] = find(graph, next + 1);
      fed[feeds++] = read_tensor(atoi(next[3]), next[4], next[5]);
      next += 6;
    } else {
      require(strcmp(next[0], "fetch") == 0 && arguments + count - next >= 4, "neither a whole feed nor a whole fetch");
      outputs[fetches] = find(graph, next + 1);
      files[fetches++] = next[3];
      next += 4;
    }
  }
  TF_SessionRun(session, NULL, inputs, fed, feeds, outputs, fetched, fetches, NULL, 0, NULL, status);
  require_ok(status);
  for (int n = 0; n < fetches; n++) write_tensor(fetched[n], files[n]);

  for (int n = 0; n < feeds; n++) TF_DeleteTensor(fed[n]);
  for (int n = 0; n < fetches; n++) TF_DeleteTensor(fetched[n]);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
