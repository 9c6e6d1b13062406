#include <cstdlib>
#include <iostream>

int main(int count, char **words) {
	long total = 0;
	for (int index = 1; index < count; ++index) total += std::atol(words[index]);
	std::cout << total << std::endl;
}
