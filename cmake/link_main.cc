// An empty program: what must link is the archive beside it, whole.
int main() {}
