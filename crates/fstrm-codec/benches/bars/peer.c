/* How fast the C library reads and writes a file: `peer read FILE`, `peer write FILE SIZE COUNT`.
 * Prints the processor's seconds for the thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <fstrm.h>

static double spent(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* The sum keeps the compiler from leaving the payloads alone, as any reader's work would. */
static int read_all(const char *path)
{
	struct fstrm_file_options *options = fstrm_file_options_init();
	struct fstrm_reader *reader;
	const uint8_t *data;
	size_t len, sum = 0;
	double begin;
	fstrm_res res;
	fstrm_file_options_set_file_path(options, path);
	begin = spent();
	reader = fstrm_file_reader_init(options, NULL);
	if (!reader || fstrm_reader_open(reader) != fstrm_res_success)
		return 1;
	while ((res = fstrm_reader_read(reader, &data, &len)) == fstrm_res_success)
		sum += len + data[0];
	printf("%.9f %zu\n", spent() - begin, sum);
	return res != fstrm_res_stop;
}

static int write_all(const char *path, size_t size, size_t count)
{
	struct fstrm_file_options *options = fstrm_file_options_init();
	struct fstrm_writer *writer;
	unsigned char *payload = malloc(size);
	double begin;
	if (!payload)
		return 1;
	memset(payload, 'x', size);
	fstrm_file_options_set_file_path(options, path);
	begin = spent();
	writer = fstrm_file_writer_init(options, NULL);
	if (!writer || fstrm_writer_open(writer) != fstrm_res_success)
		return 1;
	for (; count > 0; count--)
		if (fstrm_writer_write(writer, payload, size) != fstrm_res_success)
			return 1;
	if (fstrm_writer_close(writer) != fstrm_res_success)
		return 1;
	fstrm_writer_destroy(&writer);
	printf("%.9f 0\n", spent() - begin);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "read"))
		return read_all(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "write"))
		return write_all(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
	return 2;
}
