/* The C library's file reader and writer, timed: `files read PATH`, `files write PATH LEN COUNT`. Prints seconds. */
#include <fstrm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int read_all(const char *path) {
	struct fstrm_file_options *options = fstrm_file_options_init();
	fstrm_file_options_set_file_path(options, path);
	double begin = now();
	struct fstrm_reader *reader = fstrm_file_reader_init(options, NULL);
	const uint8_t *data;
	size_t len, frames = 0, bytes = 0;
	while (fstrm_reader_read(reader, &data, &len) == fstrm_res_success) {
		frames++;
		bytes += len + data[0];
	}
	double end = now();
	fstrm_reader_destroy(&reader);
	fstrm_file_options_destroy(&options);
	printf("%.9f %zu %zu\n", end - begin, frames, bytes);
	return 0;
}

static int write_all(const char *path, size_t len, size_t count) {
	struct fstrm_file_options *options = fstrm_file_options_init();
	fstrm_file_options_set_file_path(options, path);
	uint8_t *payload = malloc(len);
	memset(payload, 7, len);
	double begin = now();
	struct fstrm_writer *writer = fstrm_file_writer_init(options, NULL);
	fstrm_writer_open(writer);
	for (size_t i = 0; i < count; i++)
		if (fstrm_writer_write(writer, payload, len) != fstrm_res_success)
			return 1;
	fstrm_writer_close(writer);
	double end = now();
	fstrm_writer_destroy(&writer);
	fstrm_file_options_destroy(&options);
	free(payload);
	printf("%.9f\n", end - begin);
	return 0;
}

int main(int argc, char **argv) {
	if (argc == 3 && strcmp(argv[1], "read") == 0)
		return read_all(argv[2]);
	if (argc == 5 && strcmp(argv[1], "write") == 0)
		return write_all(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
	return 2;
}
