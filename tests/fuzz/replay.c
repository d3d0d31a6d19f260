/* Feeds files and folders of a corpus to the fuzz target that it is linked with; libFuzzer does the
 * same with -runs=0. Prints the closing line of a test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int n_files;

static void replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return;
	uint8_t *mem = malloc(1 << 20);
	size_t n = mem ? fread(mem, 1, 1 << 20, f) : 0;
	uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees every over-read */
	for (size_t i = 0; exact && i < n; i++)
		exact[i] = mem[i];
	free(mem);
	fclose(f);
	if (exact)
		LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	n_files++;
}

static void replay_path(const char *path)
{
	DIR *d = opendir(path);
	if (!d) {
		replay_file(path);
		return;
	}
	for (struct dirent *e; (e = readdir(d));) {
		char name[4096];
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		replay_path(name);
	}
	closedir(d);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay_path(argv[i]);
	printf("%d passed, 0 failed, 0 skipped\n", n_files);
	return n_files == 0;
}
